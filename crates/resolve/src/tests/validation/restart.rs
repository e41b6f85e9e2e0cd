//! What a saved cache saves after a restart.

use std::io::Cursor;

use nw_cache::{Cache, save};

use super::*;

#[test]
fn delegations_and_denials_answer_after_a_restart() {
    for nsec3 in [false, true] {
        let (mut tld, mut example) = (Signing::new("test."), Signing::new("example.test."));
        if nsec3 {
            (tld, example) = (tld.nsec3(false), example.nsec3(false));
        }
        let mut world = Signed::with(tld, example, |_| {});
        for name in ["www.example.test.", "nothing.example.test.", "www.plain.test."] {
            world.ask(name, RrType::A);
        }
        let mut file = Vec::new();
        let unix_s = u64::from(START);
        save::save(world.resolver.cache(), world.lab.now(), unix_s, "", &mut file).unwrap();
        world.lab.pass(60);
        let cache = Arc::new(Cache::new(4 << 20));
        save::load(&cache, world.lab.now(), unix_s + 60, |_| true, &mut Cursor::new(file)).unwrap();
        let config = Arc::new(world.resolver.config().clone());
        world.resolver = Resolver::new(Rc::clone(&world.lab), cache, config);
        // By the denials that are known, without a query.
        let mut denied = vec![("example.test.", RrType::TXT, Rcode::NOERROR)];
        if !nsec3 {
            denied.push(("nothing-else.example.test.", RrType::A, Rcode::NXDOMAIN));
        }
        for (name, rtype, rcode) in denied {
            let before = world.lab.total();
            let found = world.ask(name, rtype);
            assert_eq!((found.rcode, found.validation), (rcode, Validation::Secure), "{name}");
            assert_eq!(world.lab.total() - before, 0, "{name}, nsec3: {nsec3}");
        }
        // By the delegations that are known, with one query each.
        for (name, validation) in
            [("alias.example.test.", Validation::Secure), ("plain.test.", Validation::Insecure)]
        {
            let before = world.lab.total();
            let found = world.ask(name, RrType::A);
            assert_eq!((found.rcode, found.validation), (Rcode::NOERROR, validation));
            assert_eq!(world.lab.total() - before, 1, "{name}: {:?}", world.lab.log.borrow());
        }
    }
}
