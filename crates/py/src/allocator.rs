//! The allocator of the engine: jemalloc, its settings, and the return of unused memory to the system.
//!
//! It allocates for the engine alone; Python keeps its own. `docs/decisions/0121-jemalloc.md` gives the reasons.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr;

use pyo3::prelude::*;
use tikv_jemalloc_sys as jemalloc;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A C string that jemalloc reads when it starts.
#[repr(transparent)]
struct Settings(*const c_char);

// SAFETY: it points to a constant, and nothing writes to it.
unsafe impl Sync for Settings {}

/// Two arenas, so that an idle server holds few half-used pages. Thread caches hold blocks of up to 4 KiB. An unused page
/// returns to the system at the first activity of the allocator after one second: there is no background thread.
const SETTINGS: &CStr = c"narenas:2,tcache_max:4096,dirty_decay_ms:1000,muzzy_decay_ms:0";

// SAFETY: jemalloc declares this symbol weak and `const char *`, so that a program can define it (jemalloc(3), TUNING).
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
static MALLOC_CONF: Settings = Settings(SETTINGS.as_ptr());

/// The number of an arena that means all of them (`MALLCTL_ARENAS_ALL`).
const PURGE_ALL: &CStr = c"arena.4096.purge";

/// Return all unused pages to the system, those of the C library too, which Python allocates with. For moments after which much
/// less memory is used, such as the end of a load: an idle allocator would keep the pages.
pub(crate) fn purge() {
    // SAFETY: the name ends in a zero, and this command neither reads nor writes a value.
    unsafe { jemalloc::mallctl(PURGE_ALL.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    #[cfg(target_env = "gnu")]
    // SAFETY: it has no conditions.
    unsafe {
        malloc_trim(0);
    }
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    /// malloc_trim(3).
    fn malloc_trim(pad: usize) -> c_int;
}

/// Return the number of arenas that the engine's allocator was started with (`opt.narenas`).
#[pyfunction]
pub(crate) fn allocator_arenas() -> u32 {
    let (mut value, mut size): (c_uint, usize) = (0, size_of::<c_uint>());
    // SAFETY: the name ends in a zero, and `opt.narenas` is an `unsigned`, for which `value` and `size` have room.
    unsafe {
        jemalloc::mallctl(
            c"opt.narenas".as_ptr(),
            (&raw mut value).cast(),
            &raw mut size,
            ptr::null_mut(),
            0,
        );
    }
    value
}
