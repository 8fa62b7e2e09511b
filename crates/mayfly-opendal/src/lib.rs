//! The C ABI of src/store/opendal_abi.h over Apache OpenDAL.
//!
//! Every function blocks; any thread, any number at once. What a call borrows is
//! borrowed until it returns. Nothing unwinds into C: a panic is an error like others.

mod failure;
mod fs;
mod store;

use failure::{Failure, Kind};
use std::ffi::c_void;
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use store::{Mode, Store};

/// Grows with every change of what is below.
const ABI: u32 = 1;

#[repr(C)]
pub struct Text {
    p: *const c_char,
    n: usize,
}

#[repr(C)]
pub struct Setting {
    name: Text,
    value: Text,
}

#[repr(C)]
pub struct ErrorOut {
    kind: i32,
    text: [c_char; 400],
}

type AddBytes = extern "C" fn(arg: *mut c_void, p: *const c_char, n: usize) -> bool;
type AddEntry = extern "C" fn(arg: *mut c_void, key: Text, size: i64, changed_ms: i64);

impl Text {
    unsafe fn bytes<'a>(&self) -> &'a [u8] {
        if self.n == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(self.p.cast::<u8>(), self.n)
        }
    }

    unsafe fn text<'a>(&self) -> Result<&'a str, Failure> {
        std::str::from_utf8(self.bytes()).map_err(|_| Failure::new(Kind::Other, "a name is not UTF-8"))
    }
}

/// Runs the body, and writes what went wrong to `error`.
unsafe fn told<T>(error: *mut ErrorOut, body: impl FnOnce() -> Result<T, Failure>) -> Option<T> {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(Kind::Other, "the binding panicked"),
    };
    let out = &mut *error;
    let n = failure.text.floor_char_boundary(out.text.len() - 1);
    out.kind = failure.kind as i32;
    out.text[n] = 0;
    for (to, from) in out.text.iter_mut().zip(&failure.text.as_bytes()[..n]) {
        *to = *from as c_char;
    }
    None
}

#[no_mangle]
pub extern "C" fn mayfly_opendal_abi() -> u32 {
    ABI
}

/// # Safety
/// `settings` has `n` elements; `error` may be written to.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_open(
    scheme: Text,
    settings: *const Setting,
    n: usize,
    error: *mut ErrorOut,
) -> *mut Store {
    let made = told(error, || {
        let mut pairs = Vec::new();
        for i in 0..n {
            let setting = &*settings.add(i);
            pairs.push((setting.name.text()?.to_string(), setting.value.text()?.to_string()));
        }
        Store::open(scheme.text()?, pairs)
    });
    made.map_or(std::ptr::null_mut(), |store| Box::into_raw(Box::new(store)))
}

/// # Safety
/// `store` came from open and is not closed; so below.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_put(
    store: *const Store,
    key: Text,
    bytes: Text,
    replace: bool,
    error: *mut ErrorOut,
) -> bool {
    let mode = if replace { Mode::Replace } else { Mode::New };
    told(error, || (*store).put(key.text()?, bytes.bytes(), mode)).is_some()
}

/// # Safety
/// `add` is called on this thread, during the call; it answers false when it wants no more.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_get(
    store: *const Store,
    key: Text,
    offset: u64,
    max: u64,
    add: AddBytes,
    arg: *mut c_void,
    error: *mut ErrorOut,
) -> bool {
    told(error, || (*store).get(key.text()?, offset, max, |piece| add(arg, piece.as_ptr().cast(), piece.len()))).is_some()
}

/// # Safety
/// `add` is called on this thread, during the call.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_list(
    store: *const Store,
    prefix: Text,
    after: Text,
    limit: usize,
    add: AddEntry,
    arg: *mut c_void,
    error: *mut ErrorOut,
) -> bool {
    told(error, || {
        for entry in (*store).list(prefix.text()?, after.text()?, limit)? {
            let key = Text { p: entry.key.as_ptr().cast(), n: entry.key.len() };
            add(arg, key, entry.size, entry.changed_ms);
        }
        Ok(())
    })
    .is_some()
}

/// # Safety
/// As above.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_drop(store: *const Store, key: Text, error: *mut ErrorOut) -> bool {
    told(error, || (*store).drop_key(key.text()?)).is_some()
}

/// # Safety
/// No call is on its way, and none follows.
#[no_mangle]
pub unsafe extern "C" fn mayfly_opendal_close(store: *mut Store) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(store))));
}
