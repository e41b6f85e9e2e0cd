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
