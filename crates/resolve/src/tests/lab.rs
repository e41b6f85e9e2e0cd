//! A network of scripted hosts, a clock that jumps to the next event, and deterministic random numbers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nw_cache::{Cache, HitQuestion};
use nw_wire::code::{Class, Rcode, RrType};
use nw_wire::header::{Flags, Header};
use nw_wire::message::{Message, Section, replies_to};
use nw_wire::name::{Name, NameRef};
use nw_wire::rr;
use nw_wire::rrset::Rrset;
use nw_wire::text::Tokens;
use nw_wire::writer::Writer;

use crate::*;

/// A question as a host sees it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) server: IpAddr,
    pub(super) name: Name,
    pub(super) rtype: RrType,
    pub(super) via: Transport,
    pub(super) edns: bool,
    pub(super) recursion_desired: bool,
    pub(super) query: Vec<u8>,
}

/// What a host does about a question.
pub(super) enum Says {
    Reply(Vec<u8>),
    Silence,
    Error(ExchangeError),
}

pub(super) type Host = Rc<dyn Fn(&Asked) -> Says>;

/// The world.
pub(super) struct Lab {
    now: Cell<Micros>,
    timers: RefCell<BTreeSet<Micros>>,
    hosts: RefCell<HashMap<IpAddr, (Host, Micros)>>,
    rng: Cell<u64>,
    /// Work that nobody waits for: it goes on while something else runs.
    background: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
    /// Every question that reached the network.
    pub(super) log: RefCell<Vec<Asked>>,
    /// Every notice.
    pub(super) notices: RefCell<Vec<Notice>>,
}

impl Lab {
    pub(super) fn new() -> Rc<Lab> {
        Rc::new(Lab {
            now: Cell::new(1_000_000_000),
            timers: RefCell::default(),
            hosts: RefCell::default(),
            rng: Cell::new(0x1234_5678_9abc_def1),
            background: RefCell::default(),
            log: RefCell::default(),
            notices: RefCell::default(),
        })
    }

    /// Put *host* at *address*, 10 ms away there and back.
    pub(super) fn host(&self, address: &str, host: Host) {
        self.host_at(address, 10 * MILLISECOND, host);
    }

    pub(super) fn host_at(&self, address: &str, rtt: Micros, host: Host) {
        self.hosts.borrow_mut().insert(address.parse().unwrap(), (host, rtt));
    }

    /// Let time pass.
    pub(super) fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds * SECOND);
    }

    /// Run *future* to its end, jumping over the times in which nothing happens.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            let mut background = self.background.take();
            background.retain_mut(|work| work.as_mut().poll(&mut context).is_pending());
            self.background.borrow_mut().append(&mut background);
            let next = self.timers.borrow_mut().pop_first().expect("somebody waits for something");
            self.now.set(next.max(self.now.get()));
        }
    }

    /// How many questions have reached *server*.
    pub(super) fn asked(&self, server: &str) -> usize {
        let server: IpAddr = server.parse().unwrap();
        self.log.borrow().iter().filter(|asked| asked.server == server).count()
    }

    pub(super) fn total(&self) -> usize {
        self.log.borrow().len()
    }

    /// Names and types asked of *server*.
    pub(super) fn questions(&self, server: &str) -> Vec<String> {
        let server: IpAddr = server.parse().unwrap();
        let log = self.log.borrow();
        let asked = log.iter().filter(|asked| asked.server == server);
        asked.map(|asked| format!("{} {}", asked.name, asked.rtype)).collect()
    }
}

/// No test of the resolver reads a stream of replies.
pub(super) enum NoReplies {}

impl Replies for NoReplies {
    async fn next(&mut self, _deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        match *self {}
    }
}

impl World for Lab {
    type Upstream = Endpoint;
    type Replies = NoReplies;

    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.background.borrow_mut().push(Box::pin(work));
    }

    fn now(&self) -> Micros {
        self.now.get()
    }

    fn unix_s(&self) -> u64 {
        1_800_000_000 + self.now.get() / SECOND
    }

    fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }

    fn random(&self) -> u64 {
        // xorshift64*
        let mut rng = self.rng.get();
        rng ^= rng >> 12;
        rng ^= rng << 25;
        rng ^= rng >> 27;
        self.rng.set(rng);
        rng.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn sleep_until(&self, at: Micros) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            if self.now.get() >= at {
                return Poll::Ready(());
            }
            self.timers.borrow_mut().insert(at);
            Poll::Pending
        })
    }

    fn upstream(&self, endpoint: &Endpoint) -> Endpoint {
        endpoint.clone()
    }

    async fn stream(&self, _: &Endpoint, _: &[u8], _: Micros) -> Result<NoReplies, ExchangeError> {
        Err(ExchangeError::Local)
    }

    async fn exchange(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let Endpoint { address: server, transport: via, .. } = *upstream;
        let message = Message::parse(query).expect("the resolver sends messages");
        let question = message.question().unwrap();
        let asked = Asked {
            server: server.ip(),
            name: question.name.to_name(),
            rtype: question.rtype,
            via,
            edns: message.opt().is_some(),
            recursion_desired: message.flags().rd(),
            query: query.to_vec(),
        };
        self.log.borrow_mut().push(asked.clone());
        let host = self.hosts.borrow().get(&server.ip()).cloned();
        let Some((host, rtt)) = host else {
            self.sleep_until(deadline).await;
            return Err(ExchangeError::Timeout);
        };
        match host(&asked) {
            Says::Reply(reply) if replies_to(query, &reply) && self.now.get() + rtt < deadline => {
                self.sleep_until(self.now.get() + rtt).await;
                Ok(reply)
            }
            Says::Reply(junk) => {
                discarded.note(query, &junk);
                self.sleep_until(deadline).await;
                Err(ExchangeError::Timeout)
            }
            Says::Error(error) => {
                self.sleep_until(self.now.get() + rtt).await;
                Err(error)
            }
            Says::Silence => {
                self.sleep_until(deadline).await;
                Err(ExchangeError::Timeout)
            }
        }
    }
}

/// One record of a text line: owner, TTL, type, rdata.
#[derive(Clone, Debug)]
pub(super) struct Line {
    owner: Name,
    ttl: u32,
    rtype: RrType,
    rdata: Vec<u8>,
}

pub(super) fn lines(text: &str) -> Vec<Line> {
    let wanted = text.lines().map(str::trim).filter(|line| !line.is_empty());
    wanted
        .map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("owner ttl type rdata: {line}"));
            let (owner, ttl, rtype): (Name, u32, RrType) =
                (word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap());
            let mut rdata = Vec::new();
            rr::from_text(rtype, &mut Tokens::new(word().as_bytes()), NameRef::ROOT, &mut rdata)
                .unwrap_or_else(|error| panic!("{line}: {error:?}"));
            Line { owner, ttl, rtype, rdata }
        })
        .collect()
}

/// A reply to *asked* with *words* (rcode and flags) and the records of three sections. UDP replies of more than 1232
/// octets are truncated.
pub(super) fn say(asked: &Asked, words: &str, sections: [&[Line]; 3]) -> Vec<u8> {
    let mut flags = Flags::default().with_qr(true).with_rd(asked.recursion_desired);
    let mut rcode = Rcode::NOERROR;
    for word in words.split_whitespace() {
        match word {
            "aa" => flags = flags.with_aa(true),
            "ra" => flags = flags.with_ra(true),
            "tc" => flags = flags.with_tc(true),
            word => rcode = word.parse().unwrap(),
        }
    }
    let id = Header::read(&asked.query).unwrap().id;
    let mut buf = vec![0; 65_535];
    let limit = if asked.via == Transport::Udp { 1232 } else { 65_535 };
    let mut writer = Writer::new(&mut buf, limit, id, flags.with_rcode(rcode));
    writer.question(asked.name.as_ref(), asked.rtype, Class::IN).unwrap();
    let mut fits = Ok(());
    for (section, lines) in
        [Section::Answer, Section::Authority, Section::Additional].into_iter().zip(sections)
    {
        for line in lines {
            let Line { owner, ttl, rtype, rdata } = line;
            fits = fits.and_then(|()| writer.record(section, owner.as_ref(), *rtype, Class::IN, *ttl, rdata));
        }
    }
    if fits.is_err() {
        writer.clear();
        let flags = writer.flags();
        writer.set_flags(flags.with_tc(true));
    } else if asked.edns {
        writer.raw(Section::Additional, 1, &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]).unwrap();
    }
    let length = writer.finish();
    buf.truncate(length);
    buf
}

/// A host that always says the same.
pub(super) fn says(words: &'static str, answer: &str, authority: &str, additional: &str) -> Host {
    let sections = [lines(answer), lines(authority), lines(additional)];
    Rc::new(move |asked| Says::Reply(say(asked, words, [&sections[0], &sections[1], &sections[2]])))
}

/// A host that serves the zone *apex* as RFC 1034 §4.3.2 wants it.
pub(super) fn zone(apex: &str, text: &str) -> Host {
    let apex: Name = apex.parse().unwrap();
    let mut records = lines(text);
    if !records.iter().any(|line| line.rtype == RrType::SOA) {
        records.extend(lines(&format!("{apex} 3600 SOA ns. host. 1 7200 3600 604800 300")));
    }
    Rc::new(move |asked| Says::Reply(serve(&apex, &records, asked)))
}

fn serve(apex: &Name, records: &[Line], asked: &Asked) -> Vec<u8> {
    let name = asked.name.as_ref();
    let of = |owner: NameRef<'_>, rtype: RrType| -> Vec<Line> {
        let found = records.iter().filter(|line| line.owner == owner && line.rtype == rtype);
        found.cloned().collect()
    };
    if !name.is_at_or_below(apex.as_ref()) {
        return say(asked, "REFUSED", [&[], &[], &[]]);
    }
    let mut at = Some(name);
    let mut cut = None;
    while let Some(owner) = at.filter(|owner| owner.is_below(apex.as_ref())) {
        let parents_business = owner == name && asked.rtype == RrType::DS;
        if !parents_business && !of(owner, RrType::NS).is_empty() {
            cut = Some(owner);
        }
        at = owner.parent();
    }
    if let Some(cut) = cut {
        let servers = of(cut, RrType::NS);
        let named = |line: &&Line| servers.iter().any(|server| server.rdata == line.owner.as_ref().wire());
        let addresses = records.iter().filter(|line| matches!(line.rtype, RrType::A | RrType::AAAA));
        let glue: Vec<Line> = addresses.filter(named).cloned().collect();
        return say(asked, "", [&[], &servers, &glue]);
    }
    let mut answer = Vec::new();
    let mut name = name.to_name();
    for _ in 0..30 {
        let data = of(name.as_ref(), asked.rtype);
        if !data.is_empty() {
            answer.extend(data);
            return say(asked, "aa", [&answer, &[], &[]]);
        }
        let alias = of(name.as_ref(), RrType::CNAME);
        let Some(target) = alias.first().map(|alias| Name::from_wire(&alias.rdata).unwrap()) else { break };
        answer.extend(alias);
        name = target;
        if !name.as_ref().is_at_or_below(apex.as_ref()) {
            return say(asked, "aa", [&answer, &[], &[]]);
        }
    }
    let soa = of(apex.as_ref(), RrType::SOA);
    let exists = records.iter().any(|line| line.owner.as_ref().is_at_or_below(name.as_ref()));
    say(asked, if exists { "aa" } else { "aa NXDOMAIN" }, [&answer, &soa, &[]])
}

pub(super) fn silent() -> Host {
    Rc::new(|_| Says::Silence)
}

/// The root at 198.41.0.4 that delegates com. (192.5.6.30) and net. (192.5.6.31), and what else is given.
pub(super) fn root(lab: &Lab, com: &str, net: &str) {
    lab.host(
        "198.41.0.4",
        zone(
            ".",
            ". 518400 NS a.root-servers.net.
             a.root-servers.net. 518400 A 198.41.0.4
             com. 172800 NS a.gtld-servers.net.
             net. 172800 NS b.gtld-servers.net.
             a.gtld-servers.net. 172800 A 192.5.6.30
             b.gtld-servers.net. 172800 A 192.5.6.31",
        ),
    );
    lab.host("192.5.6.30", zone("com.", com));
    lab.host("192.5.6.31", zone("net.", net));
}

/// A lab with this root.
pub(super) fn delegating(com: &str, net: &str) -> Rc<Lab> {
    let lab = Lab::new();
    root(&lab, com, net);
    lab
}

/// A lab in which *host* at 192.0.2.1 is the only server of example.com.
pub(super) fn example(host: Host) -> Rc<Lab> {
    let lab = delegating("example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
    lab.host("192.0.2.1", host);
    lab
}

pub(super) fn config() -> ResolverConfig {
    let hints = vec![("a.root-servers.net.".parse().unwrap(), vec!["198.41.0.4".parse().unwrap()])];
    ResolverConfig { hints, ..ResolverConfig::default() }
}

pub(super) fn resolver_with(lab: &Rc<Lab>, config: ResolverConfig) -> Resolver<Lab> {
    let cache = Arc::new(Cache::new(config.budget.cache_bytes));
    Resolver::new(Rc::clone(lab), cache, Arc::new(config))
}

pub(super) fn resolver(lab: &Rc<Lab>) -> Resolver<Lab> {
    resolver_with(lab, config())
}

pub(super) fn question(name: &str, rtype: RrType) -> ClientQuestion {
    ClientQuestion::new(name.parse().unwrap(), rtype)
}

/// Ask for *name* and *rtype* and check that the explanation's times add up.
pub(super) fn ask(lab: &Rc<Lab>, resolver: &Resolver<Lab>, name: &str, rtype: RrType) -> Resolution {
    let trace = Trace::start(lab.now(), 400);
    let resolution = lab.run(resolver.resolve(question(name, rtype), trace));
    let alone = resolution.steps.iter().filter(|step| !step.parallel);
    assert_eq!(alone.map(|step| step.took).sum::<Micros>(), resolution.took, "{:#?}", resolution.steps);
    assert!(resolution.took <= 7 * SECOND);
    resolution
}

/// The answer section in words.
pub(super) fn shown(sets: &[Rrset]) -> Vec<String> {
    sets.iter()
        .flat_map(|set| set.to_string().lines().map(|line| line.replace('\t', " ")).collect::<Vec<_>>())
        .collect()
}

/// The slugs of an explanation.
pub(super) fn slugs(resolution: &Resolution) -> Vec<&'static str> {
    resolution.steps.iter().map(|step| step.reason.slug()).collect()
}

/// The message that a cache hit gives, or None.
pub(super) fn hit(
    lab: &Lab,
    resolver: &Resolver<Lab>,
    name: &str,
    rtype: RrType,
) -> Option<(Rcode, Vec<String>)> {
    let name: Name = name.parse().unwrap();
    let mut buf = [0; 4096];
    let mut writer = Writer::new(&mut buf, 4096, 1, Flags::default().with_qr(true));
    writer.question(name.as_ref(), rtype, Class::IN).unwrap();
    let question = HitQuestion {
        name: name.as_ref(),
        rtype,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    let hit = resolver.hit(&question, lab.now(), &mut writer)?;
    let length = writer.finish();
    let message = Message::parse(&buf[..length]).expect("a hit is a message");
    let text = |record: nw_wire::message::Record<'_>| {
        let (mut rdata, mut text) = (Vec::new(), String::new());
        record.rdata(&mut rdata);
        rr::to_text(record.rtype, &rdata, &mut text);
        format!("{} {} {} {text}", record.owner(), record.ttl, record.rtype)
    };
    Some((hit.rcode, message.answer().chain(message.authority()).map(text).collect()))
}

/// The RRsets of *text*, which has lines as [`lines`] reads them.
pub(super) fn rrsets(text: &str) -> Vec<Rrset> {
    let mut sets: Vec<Rrset> = Vec::new();
    for Line { owner, ttl, rtype, rdata } in lines(text) {
        match sets.iter_mut().find(|set| set.owner == owner && set.rtype == rtype) {
            Some(set) => set.rdatas.push(&rdata),
            None => {
                let mut set = Rrset::new(owner, rtype, Class::IN, ttl);
                set.rdatas.push(&rdata);
                sets.push(set);
            }
        }
    }
    sets
}
