//! Lines of an `.rpl` file without their comments.
//!
//! `;` starts a comment, and so does `#` in the configuration, but not inside quotes or after a backslash. `#` counts
//! only at the start of a word, because it also separates an address from a name or port (`192.0.2.1@853#name`).

#[cfg(test)]
mod tests;

/// Return `line` up to its comment, trimmed. `config` selects the rules of the configuration.
pub fn strip_comment(line: &str, config: bool) -> &str {
    let mut quote: Option<u8> = None;
    let mut escaped = false;
    let mut word_start = true;
    for (at, byte) in line.bytes().enumerate() {
        if escaped {
            escaped = false;
            word_start = false;
            continue;
        }
        match (quote, byte) {
            (_, b'\\') => escaped = true,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(b'"'),
            (None, b'\'') if config && word_start => quote = Some(b'\''),
            (None, b';') => return line[..at].trim(),
            (None, b'#') if config && word_start => return line[..at].trim(),
            _ => {}
        }
        word_start = byte.is_ascii_whitespace() || (config && byte == b':');
    }
    line.trim()
}

/// Return how many parentheses `line` opens, minus those that it closes. Quotes and escapes are respected.
pub fn open_parentheses(line: &str) -> i32 {
    let (mut open, mut quoted, mut escaped) = (0, false, false);
    for byte in line.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'(' if !quoted => open += 1,
            b')' if !quoted => open -= 1,
            _ => {}
        }
    }
    open
}

/// Return a configuration value without its quotes, if it has any.
pub fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// Decode hexadecimal `text`. White space is ignored.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Split the first word off `text`. Returns the word and the rest without leading space.
pub fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}
