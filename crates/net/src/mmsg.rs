//! Datagrams in batches: the only module of this crate with `unsafe` code.
//!
//! ```text
//!            recvmmsg                        handle(packet i) -> reply             sendmmsg
//! socket ──────────────▶ in[0] in[1] … in[63] ───────────────▶ out: r0|r1|…| ──────────────▶ socket
//!                        name, pktinfo of each ──────── reused as the destination of its reply
//! ```
//!
//! A [`Batch`] owns everything that the two system calls point at, in one allocation that never moves: packet room, reply
//! room (one arena, replies packed one after another), addresses, control messages and the headers that tie them. The
//! pointers are written once. A reply goes back with the address structure the kernel wrote for its question, and, on a
//! wildcard socket, from the address that was asked (IP_PKTINFO, RFC 3542 §6.1): nothing is translated on the way.
//!
//! The module also holds the few other calls that the safe libraries do not have: datagrams from chosen
//! addresses, socket options, dissolving a datagram socket's connection, randomness, and a duplicate of a descriptor that was
//! opened elsewhere.
//!
//! Why the code is unsafe, what safe code would cost, and which tests guard it: `docs/decisions/0020-batched-datagrams.md`.
//!
//! *Limitations.* Linux only. Datagrams longer than [`PACKET_ROOM`] are cut and marked; a UDP question of that length
//! is answered FORMERR by the pipeline and never parsed in part.
#![allow(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull, addr_of, addr_of_mut};

/// Datagrams in one batch.
pub const BATCH: usize = 64;
/// Octets kept of a received datagram. A question with every option a client has reason to send fits many times.
pub const PACKET_ROOM: usize = 2048;
/// Octets of room for one reply; also the largest UDP payload that can be configured.
pub const REPLY_ROOM: usize = 4096;

/// Packets, replies and the structures that the kernel needs to move them.
pub struct Batch {
    slots: NonNull<Slots>,
    /// Valid entries of `in_headers`, from the last `receive`.
    received: usize,
    /// Valid entries of `out_headers`, since the last `flush`.
    queued: usize,
    /// First free octet of the reply arena.
    free: usize,
}

// SAFETY: the pointers inside point into the allocation that the Batch alone owns; nothing is tied to a thread.
unsafe impl Send for Batch {}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'b> {
    /// The payload, or its first [`PACKET_ROOM`] octets.
    pub bytes: &'b [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// Whether the payload was longer than there was room.
    pub cut: bool,
}

/// Where a reply that is made later must go: the client, and the local address it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub address: SocketAddr,
    /// The address that was asked, on a wildcard socket.
    pub local: Option<LocalAddress>,
}

/// A local address and, where the address needs it (link-local), its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The source address of the reply.
    pub ip: IpAddr,
    /// Interface index, 0 for "as routed".
    pub interface: u32,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Datagrams that the kernel took.
    pub sent: usize,
    /// Datagrams that the kernel refused (no route, not permitted, buffer full): lost, as UDP may.
    pub lost: usize,
}

#[repr(C)]
struct Slots {
    in_headers: [libc::mmsghdr; BATCH],
    in_iovecs: [libc::iovec; BATCH],
    out_headers: [libc::mmsghdr; BATCH],
    out_iovecs: [libc::iovec; BATCH],
    names: [Name; BATCH],
    controls: [Control; BATCH],
    packets: [[u8; PACKET_ROOM]; BATCH],
    replies: [u8; REPLY_ROOM * BATCH],
}

/// Room for either socket address. The kernel writes the family first in both.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// Room for one IP_PKTINFO or IPV6_PKTINFO message, aligned as `cmsghdr`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch. Pages are touched when they are used, so that an idle socket costs little memory.
    pub fn new() -> Batch {
        // SAFETY: `Slots` is not zero-sized.
        let raw = unsafe { std::alloc::alloc_zeroed(std::alloc::Layout::new::<Slots>()) }.cast::<Slots>();
        let Some(slots) = NonNull::new(raw) else {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<Slots>())
        };
        for i in 0..BATCH {
            // SAFETY: `slots` is valid for writes and zeroed, which is a valid value of every field (integers, null
            // pointers, bytes); `i` is below the length of every array. Only raw pointers are formed.
            unsafe {
                let s = slots.as_ptr();
                (*s).in_iovecs[i] =
                    libc::iovec { iov_base: addr_of_mut!((*s).packets[i]).cast(), iov_len: PACKET_ROOM };
                let header = addr_of_mut!((*s).in_headers[i].msg_hdr);
                (*header).msg_name = addr_of_mut!((*s).names[i]).cast();
                (*header).msg_iov = addr_of_mut!((*s).in_iovecs[i]);
                (*header).msg_iovlen = 1;
                (*header).msg_control = addr_of_mut!((*s).controls[i]).cast();
                let header = addr_of_mut!((*s).out_headers[i].msg_hdr);
                (*header).msg_iov = addr_of_mut!((*s).out_iovecs[i]);
                (*header).msg_iovlen = 1;
            }
        }
        Batch { slots, received: BATCH, queued: 0, free: 0 }
    }

    /// Take what the socket has, up to [`BATCH`] datagrams, without waiting. Replies not yet flushed are forgotten.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let s = self.slots.as_ptr();
        // What the last call filled in is made room again; the rest still says so.
        for i in 0..self.received {
            // SAFETY: `s` is valid and unshared (`&mut self`), `i` < BATCH.
            unsafe {
                let header = addr_of_mut!((*s).in_headers[i].msg_hdr);
                (*header).msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
                (*header).msg_controllen = mem::size_of::<Control>();
            }
        }
        self.received = 0;
        self.queued = 0;
        self.free = 0;
        // SAFETY: the headers point at iovecs, names and controls of this same allocation with their true sizes, all
        // of which outlive the call; no reference into them exists while the kernel writes (`&mut self`).
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                addr_of_mut!((*s).in_headers).cast(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// Packet *i* of the last receive, and the room for its reply.
    ///
    /// # Panics
    /// When *i* is not below what `receive` returned.
    pub fn packet(&mut self, i: usize) -> (Datagram<'_>, &mut [u8]) {
        assert!(i < self.received, "packet {i} of {}", self.received);
        let s = self.slots.as_ptr();
        // SAFETY: `s` is valid; `i` < received <= BATCH; the kernel filled the name, whose zeroed or written bytes are a
        // valid value, and at most PACKET_ROOM octets of the packet (which are initialised anyway). The packet and the
        // reply arena are different fields, so that the shared and the exclusive slice do not overlap; both are tied
        // to `&mut self`. `free` + REPLY_ROOM is within the arena, see `reply`.
        unsafe {
            let header = addr_of!((*s).in_headers[i]);
            let len = ((*header).msg_len as usize).min(PACKET_ROOM);
            let datagram = Datagram {
                bytes: std::slice::from_raw_parts(addr_of!((*s).packets[i]).cast::<u8>(), len),
                from: address_of(&(*s).names[i]),
                cut: (*header).msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
            let room = addr_of_mut!((*s).replies).cast::<u8>().add(self.free);
            (datagram, std::slice::from_raw_parts_mut(room, REPLY_ROOM))
        }
    }

    /// Queue the first *len* octets of the room as the reply to packet *i*. At most once for each packet.
    ///
    /// # Panics
    /// When more replies are queued than packets came, or *len* is more than the room.
    pub fn reply(&mut self, i: usize, len: usize) {
        assert!(i < self.received && self.queued < self.received && len <= REPLY_ROOM);
        let s = self.slots.as_ptr();
        // SAFETY: `s` is valid and unshared; `i` and `queued` are below BATCH. The header points at the name of packet
        // `i` and at its control message, both initialised by the kernel with the lengths it reported.
        unsafe {
            let asked = addr_of!((*s).in_headers[i].msg_hdr);
            (*s).out_iovecs[self.queued] = libc::iovec {
                iov_base: addr_of_mut!((*s).replies).cast::<u8>().add(self.free).cast(),
                iov_len: len,
            };
            let header = addr_of_mut!((*s).out_headers[self.queued].msg_hdr);
            (*header).msg_name = (*asked).msg_name;
            (*header).msg_namelen = (*asked).msg_namelen;
            if (*asked).msg_controllen == 0 {
                (*header).msg_control = ptr::null_mut();
                (*header).msg_controllen = 0;
            } else {
                let local = local_of(&*asked);
                (*header).msg_control = (*asked).msg_control;
                (*header).msg_controllen =
                    local.map_or(0, |local| write_local(&mut *addr_of_mut!((*s).controls[i]), local));
            }
        }
        self.queued += 1;
        // Replies stay 16-aligned. Every reply takes at most REPLY_ROOM and there are at most BATCH, so that the room of
        // the next one ends within the arena; after the last one no room is asked for (`received` <= BATCH packets,
        // one reply each), and `packet` could at most show the last room again.
        self.free = (self.free + len.next_multiple_of(16)).min(REPLY_ROOM * (BATCH - 1));
    }

    /// Where a reply to packet *i* must go if it is made later.
    pub fn peer(&self, i: usize) -> Peer {
        assert!(i < self.received, "packet {i} of {}", self.received);
        let s = self.slots.as_ptr();
        // SAFETY: as in `packet`; only shared references are made.
        unsafe { Peer { address: address_of(&(*s).names[i]), local: local_of(&(*s).in_headers[i].msg_hdr) } }
    }

    /// Send the queued replies. A datagram that the kernel refuses is skipped and counted; a full socket buffer loses
    /// what is left.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Flushed {
        // SAFETY: the first `queued` entries were written by `reply` since the last receive; what they point at is of
        // this allocation and untouched during the call.
        let done = unsafe {
            send_headers(socket, addr_of_mut!((*self.slots.as_ptr()).out_headers).cast(), self.queued)
        };
        self.queued = 0;
        self.free = 0;
        done
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once; `Slots` has no destructor.
        unsafe { std::alloc::dealloc(self.slots.as_ptr().cast(), std::alloc::Layout::new::<Slots>()) }
    }
}

/// Send each of *datagrams* to its peer, from the address it asked: one system call for up to [`BATCH`]. As
/// [`Batch::flush`], for what did not come in one batch.
pub fn send_each<'b>(
    socket: BorrowedFd<'_>,
    mut datagrams: impl ExactSizeIterator<Item = (&'b Peer, &'b [u8])>,
) -> Flushed {
    let mut done = Flushed::default();
    while datagrams.len() > 0 {
        let mut parts: Vec<Parts> = datagrams.by_ref().take(BATCH).map(Parts::of).collect();
        let mut headers: Vec<libc::mmsghdr> = parts.iter_mut().map(Parts::header).collect();
        // SAFETY: each header points, with true lengths, at its parts and at octets that *datagrams* lent; they outlive
        // the call and nothing else uses them meanwhile. The kernel does not write through a msghdr that it sends.
        let some = unsafe { send_headers(socket, headers.as_mut_ptr(), headers.len()) };
        done.sent += some.sent;
        done.lost += some.lost;
    }
    done
}

/// What the header of one datagram points at.
struct Parts {
    name: Name,
    name_len: libc::socklen_t,
    control: Control,
    control_len: usize,
    iovec: libc::iovec,
}

impl Parts {
    fn of((peer, bytes): (&Peer, &[u8])) -> Parts {
        let (name, name_len) = name_of(peer.address);
        let mut control = Control([0; 64]);
        let control_len = peer.local.map_or(0, |local| write_local(&mut control, local));
        let iovec = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        Parts { name, name_len, control, control_len, iovec }
    }

    /// A header that points at these parts.
    fn header(&mut self) -> libc::mmsghdr {
        // SAFETY: zero is a valid mmsghdr.
        let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        header.msg_hdr.msg_name = addr_of_mut!(self.name).cast();
        header.msg_hdr.msg_namelen = self.name_len;
        header.msg_hdr.msg_iov = addr_of_mut!(self.iovec);
        header.msg_hdr.msg_iovlen = 1;
        if self.control_len > 0 {
            header.msg_hdr.msg_control = addr_of_mut!(self.control).cast();
            header.msg_hdr.msg_controllen = self.control_len;
        }
        header
    }
}

/// Send *count* datagrams; see [`Batch::flush`].
///
/// # Safety
/// `headers` points at `count` valid entries, and what these point at is valid during the call.
unsafe fn send_headers(socket: BorrowedFd<'_>, headers: *mut libc::mmsghdr, count: usize) -> Flushed {
    let mut done = Flushed::default();
    let mut at = 0;
    while at < count {
        // SAFETY: entries `at`..`count` are valid, as the caller promises.
        let n = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.add(at),
                (count - at) as libc::c_uint,
                libc::MSG_DONTWAIT as _,
            )
        };
        match usize::try_from(n) {
            Ok(n) if n > 0 => {
                done.sent += n;
                at += n;
            }
            _ => match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    done.lost += count - at;
                    break;
                }
                _ => {
                    done.lost += 1;
                    at += 1;
                }
            },
        }
    }
    done
}

/// Make the kernel report, with each datagram, the local address that it was sent to.
pub fn report_local_address(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Send without path MTU discovery and ignore ICMP "fragmentation needed": an attacker who forges one could otherwise make
/// our replies fragment, and a second fragment can be replaced (attack C3; RFC 9715 §3.1 item 2).
pub fn ignore_path_mtu(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
    }
}

/// Dissolve the connection of a datagram socket. It keeps its port and can be connected to another server; the kernel then
/// chooses the source address anew.
pub fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: zero is a valid sockaddr; its family AF_UNSPEC is what asks for the dissolution. The kernel only reads it.
    unsafe {
        let mut unspecified: libc::sockaddr = MaybeUninit::zeroed().assume_init();
        unspecified.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
        let len = mem::size_of::<libc::sockaddr>() as libc::socklen_t;
        if libc::connect(socket.as_raw_fd(), addr_of!(unspecified), len) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Fill *octets* from the kernel's random source.
///
/// # Panics
/// When there is no such source: ids and ports must not be guessable.
pub fn random(octets: &mut [u8]) {
    let mut done = 0;
    while done < octets.len() {
        let rest = &mut octets[done..];
        // SAFETY: the kernel writes at most `rest.len()` octets into `rest`.
        let n = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(n) {
            Ok(n) => done += n,
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => panic!("no random source: {}", io::Error::last_os_error()),
        }
    }
}

/// Duplicate a descriptor that its owner may close. EBADF when there is none of that number.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC touches no memory and accepts any number. What it returns is a new descriptor that no other
    // code knows, so that it is owned here.
    unsafe {
        match libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) {
            -1 => Err(io::Error::last_os_error()),
            new => Ok(OwnedFd::from_raw_fd(new)),
        }
    }
}

fn set(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option reads `len` octets of `value`, which lives through the call.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, addr_of!(value).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn address_of(name: &Name) -> SocketAddr {
    // SAFETY: every bit pattern is a valid value of every member; `family` is the first field of both structures.
    unsafe {
        if libc::c_int::from(name.family) == libc::AF_INET6 {
            let v6 = name.v6;
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into()
        } else {
            let v4 = name.v4;
            SocketAddrV4::new(
                Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr)),
                u16::from_be(v4.sin_port),
            )
            .into()
        }
    }
}

fn name_of(address: SocketAddr) -> (Name, libc::socklen_t) {
    match address {
        SocketAddr::V4(address) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: address.ip().to_bits().to_be() },
                sin_zero: [0; 8],
            };
            (Name { v4 }, mem::size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(address) => {
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            (Name { v6 }, mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

/// The local address in the control messages of a received header.
///
/// `header` must have been filled by the kernel, its control buffer still alive (private, callers in this file).
fn local_of(header: &libc::msghdr) -> Option<LocalAddress> {
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR walk `msg_control` within `msg_controllen`, which the kernel wrote; the data
    // of a message is read unaligned and only when its length holds the structure.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let (level, kind, len) = ((*message).cmsg_level, (*message).cmsg_type, (*message).cmsg_len);
            let data = libc::CMSG_DATA(message);
            if (level, kind) == (libc::IPPROTO_IP, libc::IP_PKTINFO)
                && len >= pktinfo_len::<libc::in_pktinfo>()
            {
                let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                // Of a unicast packet its destination; of a broadcast one the address of the interface.
                let ip = Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr));
                return Some(LocalAddress { ip: ip.into(), interface: 0 });
            }
            if (level, kind) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                && len >= pktinfo_len::<libc::in6_pktinfo>()
            {
                let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let interface = if ip.is_unicast_link_local() { info.ipi6_ifindex as u32 } else { 0 };
                return Some(LocalAddress { ip: ip.into(), interface });
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
        None
    }
}

/// Write the control message that sets the source address; its length.
fn write_local(control: &mut Control, local: LocalAddress) -> usize {
    match local.ip {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: local.interface as libc::c_int,
                ipi_spec_dst: libc::in_addr { s_addr: ip.to_bits().to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(ip) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: local.interface as _,
            };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T: Copy>(control: &mut Control, level: libc::c_int, kind: libc::c_int, info: T) -> usize {
    const { assert!(mem::size_of::<T>() + mem::size_of::<libc::cmsghdr>() + 16 <= mem::size_of::<Control>()) };
    // SAFETY: the buffer is aligned for cmsghdr and holds header and data (asserted above); the data is written
    // unaligned.
    unsafe {
        let message = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = pktinfo_len::<T>();
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
        libc::CMSG_SPACE(mem::size_of::<T>() as libc::c_uint) as usize
    }
}

fn pktinfo_len<T>() -> usize {
    // SAFETY: CMSG_LEN only computes.
    unsafe { libc::CMSG_LEN(mem::size_of::<T>() as libc::c_uint) as usize }
}

#[cfg(test)]
mod tests;
