use super::*;

#[test]
fn mnemonics_and_generic_forms_are_read_and_written() {
    assert_eq!("aaaa".parse(), Ok(RrType::AAAA));
    assert_eq!("TYPE28".parse(), Ok(RrType::AAAA));
    assert_eq!(RrType(65280).to_string(), "TYPE65280");
    assert_eq!("type65280".parse(), Ok(RrType(65280)));
    assert_eq!("CLASS3".parse(), Ok(Class::CH));
    for bad in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "NOSUCH", "TYPÉ1"] {
        assert_eq!(bad.parse::<RrType>(), Err(UnknownCode), "{bad}");
    }
    assert_eq!(format!("{:<6}|", Class::IN), "IN    |");
}

/// Each table of this module has the numbers and names of its registry file, in order.
#[test]
fn tables_agree_with_registry() {
    fn named<T: Copy>(table: &[(T, &'static str)], number: fn(T) -> u16) -> Vec<(u16, String)> {
        table.iter().map(|(code, name)| (number(*code), (*name).to_owned())).collect()
    }
    for (file, code) in [
        ("classes", named(Class::NAMED, |c| c.0)),
        ("opcodes", named(Opcode::NAMED, |c| u16::from(c.0))),
        ("rcodes", named(Rcode::NAMED, |c| c.0)),
        ("edns-options", named(OptionCode::NAMED, |c| c.0)),
        ("ede", named(Ede::NAMED, |c| c.0)),
    ] {
        let path = format!("{}/../../registry/{file}.tsv", env!("CARGO_MANIFEST_DIR"));
        let table = std::fs::read_to_string(path).unwrap();
        let rows = table.lines().filter(|line| !line.starts_with('#') && !line.contains("\tgap\t"));
        let registry: Vec<_> = rows
            .map(|line| {
                let columns: Vec<_> = line.split('\t').collect();
                (columns[0].parse().unwrap(), columns[1].to_owned())
            })
            .collect();
        assert_eq!(code, registry, "{file}");
    }
}
