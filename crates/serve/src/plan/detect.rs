//! `detect` of a plan: what is watched for tunnels and amplification, and the limits (`crates/policy/src/detect.rs`).

use nw_policy::detect::{AmplificationSettings, DetectAction, DetectSettings, TunnelSettings};

use super::read::{At, Errors, Object};
use super::tables::{read_acl, read_all, read_name, set};

pub(super) fn read_detect(at: &At<'_>, errors: &mut Errors) -> Option<DetectSettings> {
    let mut object = at.object(errors)?;
    let tunnels = object.key("tunnels").and_then(|at| read_tunnels(&at, errors));
    let amplification = object.key("amplification").and_then(|at| read_amplification(&at, errors));
    object.end(errors);
    Some(DetectSettings { tunnels, amplification })
}

fn read_tunnels(at: &At<'_>, errors: &mut Errors) -> Option<TunnelSettings> {
    let mut object = at.object(errors)?;
    let mut made = TunnelSettings { action: read_action(&mut object, errors), ..TunnelSettings::default() };
    set(&mut made.window_s, &mut object, "window_s", 1, 3600, errors);
    set(&mut made.max_subdomains, &mut object, "max_subdomains", 1, 4000, errors);
    set(&mut made.min_features, &mut object, "min_features", 0, 4, errors);
    set(&mut made.label_length, &mut object, "label_length", 1, 63, errors);
    set(&mut made.entropy, &mut object, "entropy", 1, 800, errors);
    set(&mut made.data_share, &mut object, "data_share", 1, 100, errors);
    set(&mut made.question_octets, &mut object, "question_octets", 1, 1 << 40, errors);
    set(&mut made.answer_octets, &mut object, "answer_octets", 1, 1 << 40, errors);
    set(&mut made.hold_s, &mut object, "hold_s", 1, 86_400, errors);
    set(&mut made.per_second, &mut object, "per_second", 1, 1_000_000, errors);
    set(&mut made.domains, &mut object, "domains", 64, 1 << 20, errors);
    made.allow = read_all(object.key("allow"), read_name, errors);
    object.end(errors);
    Some(made)
}

fn read_amplification(at: &At<'_>, errors: &mut Errors) -> Option<AmplificationSettings> {
    let mut object = at.object(errors)?;
    let action = read_action(&mut object, errors);
    let mut made = AmplificationSettings { action, ..AmplificationSettings::default() };
    set(&mut made.window_s, &mut object, "window_s", 1, 3600, errors);
    set(&mut made.octets, &mut object, "octets", 1, 1 << 40, errors);
    set(&mut made.ratio, &mut object, "ratio", 1, 1000, errors);
    set(&mut made.share, &mut object, "share", 0, 100, errors);
    set(&mut made.hold_s, &mut object, "hold_s", 1, 86_400, errors);
    set(&mut made.ipv4_prefix, &mut object, "ipv4_prefix", 8, 32, errors);
    set(&mut made.ipv6_prefix, &mut object, "ipv6_prefix", 16, 128, errors);
    set(&mut made.networks, &mut object, "networks", 64, 1 << 20, errors);
    if let Some(exempt) = object.key("exempt").map(|at| read_acl(&at, errors)) {
        made.exempt = exempt;
    }
    object.end(errors);
    Some(made)
}

fn read_action(object: &mut Object<'_>, errors: &mut Errors) -> DetectAction {
    let Some(at) = object.key("action") else { return DetectAction::Log };
    let read = |word: &str| DetectAction::parse(word).ok_or("expected log, rate-limit or block");
    at.parsed(read, errors).unwrap_or_default()
}
