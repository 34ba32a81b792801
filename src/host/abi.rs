//! The host's functions (proxy-wasm ABI 0.2.1; the two clocks and randomness from WASI preview 1).
//!
//! Each returns data as bytes and its status as a [`Status`]; nothing here panics.

use std::alloc::Layout;
use std::time::Duration;

use crate::observe::LogLevel;
use crate::time::{Monotonic, Now, UnixTime};

/// Why the host did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    NotFound,
    CasMismatch,
    /// Any other; its number in the ABI.
    Other(i32),
}

/// The host's number for "done".
const OK: i32 = 0;

fn check(status: i32) -> Result<(), Status> {
    match status {
        OK => Ok(()),
        1 => Err(Status::NotFound),
        8 => Err(Status::CasMismatch),
        other => Err(Status::Other(other)),
    }
}

/// A map of headers.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum MapType {
    Request = 0,
    #[cfg(feature = "response_headers")]
    Response = 2,
    CallResponse = 6,
}

/// A buffer of bytes.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum BufferType {
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// What a metric does.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum MetricType {
    Counter = 0,
    Gauge = 1,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: i32, text: *const u8, length: usize) -> i32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> i32;
    fn proxy_get_buffer_bytes(
        buffer: i32,
        start: usize,
        max: usize,
        out: *mut *mut u8,
        length: *mut usize,
    ) -> i32;
    fn proxy_get_header_map_pairs(map: i32, out: *mut *mut u8, length: *mut usize) -> i32;
    fn proxy_replace_header_map_value(
        map: i32,
        name: *const u8,
        name_length: usize,
        value: *const u8,
        value_length: usize,
    ) -> i32;
    fn proxy_remove_header_map_value(map: i32, name: *const u8, name_length: usize) -> i32;
    fn proxy_set_property(path: *const u8, path_length: usize, value: *const u8, length: usize) -> i32;
    fn proxy_get_property(path: *const u8, path_length: usize, out: *mut *mut u8, length: *mut usize) -> i32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_length: usize,
        out: *mut *mut u8,
        length: *mut usize,
        cas: *mut u32,
    ) -> i32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_length: usize,
        value: *const u8,
        length: usize,
        cas: u32,
    ) -> i32;
    fn proxy_register_shared_queue(name: *const u8, name_length: usize, id: *mut u32) -> i32;
    fn proxy_enqueue_shared_queue(id: u32, value: *const u8, length: usize) -> i32;
    fn proxy_dequeue_shared_queue(id: u32, out: *mut *mut u8, length: *mut usize) -> i32;
    fn proxy_continue_stream(stream: i32) -> i32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_length: usize,
        body: *const u8,
        body_length: usize,
        headers: *const u8,
        headers_length: usize,
        grpc_status: i32,
    ) -> i32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_length: usize,
        headers: *const u8,
        headers_length: usize,
        body: *const u8,
        body_length: usize,
        trailers: *const u8,
        trailers_length: usize,
        timeout: u32,
        token: *mut u32,
    ) -> i32;
    fn proxy_set_effective_context(context: u32) -> i32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_length: usize,
        arguments: *const u8,
        arguments_length: usize,
        out: *mut *mut u8,
        length: *mut usize,
    ) -> i32;
    fn proxy_define_metric(kind: i32, name: *const u8, name_length: usize, id: *mut u32) -> i32;
    fn proxy_increment_metric(id: u32, by: i64) -> i32;
    fn proxy_record_metric(id: u32, value: u64) -> i32;
    fn proxy_get_log_level(level: *mut i32) -> i32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
    fn random_get(buffer: *mut u8, length: usize) -> u32;
}

/// Takes over a buffer that the host filled after asking our allocator for it.
///
/// # Safety
/// `data` is null, or points to `length` bytes that [`allocate`] gave out and nobody else holds.
unsafe fn take(data: *mut u8, length: usize) -> Vec<u8> {
    if data.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: `allocate` made it as a vector of this very capacity, and the host has filled it.
    unsafe { Vec::from_raw_parts(data, length, length) }
}

/// Memory for the host to write `size` bytes to.
pub(super) fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        Ok(layout) if size == 0 => layout.dangling_ptr().as_ptr(),
        // SAFETY: the size is not zero. `take` gives it back as a vector of this very capacity; the host writes to all
        // of it before anybody reads.
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

/// A call that returns one buffer.
fn returning(call: impl FnOnce(*mut *mut u8, *mut usize) -> i32) -> Result<Vec<u8>, Status> {
    let mut data = std::ptr::null_mut();
    let mut length = 0;
    check(call(&raw mut data, &raw mut length))?;
    // SAFETY: the host sets both to a buffer from `allocate`, or leaves them.
    Ok(unsafe { take(data, length) })
}

/// How large the VM's memory is now.
pub(super) fn memory_bytes() -> usize {
    const PAGE: usize = 65_536;
    std::arch::wasm32::memory_size::<0>().saturating_mul(PAGE)
}

pub(super) fn log(level: LogLevel, text: &str) {
    // SAFETY: the text outlives the call. A log that fails cannot be reported.
    unsafe { proxy_log(number(level), text.as_ptr(), text.len()) };
}

/// The host's number for a level: the greater, the more it matters.
const fn number(level: LogLevel) -> i32 {
    match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    }
}

/// Asks for a tick every `period`, in whole milliseconds; zero ends it.
pub(super) fn set_tick_period(period: Duration) -> Result<(), Status> {
    let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: a plain number.
    check(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// At most `max` bytes of a buffer.
pub(super) fn buffer(buffer: BufferType, max: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: both places live until the call returns.
    returning(|data, length| unsafe { proxy_get_buffer_bytes(buffer as i32, 0, max, data, length) })
}

/// All pairs of a map, serialised: see [`super::headers`].
pub(super) fn header_pairs(map: MapType) -> Result<Vec<u8>, Status> {
    // SAFETY: both places live until the call returns.
    returning(|data, length| unsafe { proxy_get_header_map_pairs(map as i32, data, length) })
}

/// Puts a header in place of every one of its name.
pub(super) fn replace_request_header(name: &str, value: &[u8]) -> Result<(), Status> {
    let map = MapType::Request as i32;
    // SAFETY: name and value outlive the call.
    check(unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Takes every header of this name away; there may be none.
pub(super) fn remove_request_header(name: &str) -> Result<(), Status> {
    let map = MapType::Request as i32;
    // SAFETY: the name outlives the call.
    check(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Sets a property of the request. Envoy keeps it as the filter state `wasm.<name>`.
pub(super) fn set_property(name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: name and value outlive the call.
    check(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A property of the plugin or the request, by its path with NUL between the segments.
pub(super) fn property(path: &str) -> Result<Vec<u8>, Status> {
    // SAFETY: the path and both places outlive the call.
    returning(|data, length| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, length) })
}

/// A shared value and its version.
pub(super) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Status> {
    let mut cas = 0;
    // SAFETY: the key and the three places outlive the call.
    let value = returning(|data, length| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, length, &raw mut cas)
    })?;
    Ok((value, cas))
}

/// Writes a shared value if its version is `cas`. The host ignores `cas` where there is no value.
pub(super) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: key and value outlive the call.
    check(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Makes this context the receiver of a queue.
pub(super) fn register_queue(name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the name and the place outlive the call.
    check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(super) fn enqueue(queue: u32, message: &[u8]) -> Result<(), Status> {
    // SAFETY: the message outlives the call.
    check(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

pub(super) fn dequeue(queue: u32) -> Result<Vec<u8>, Status> {
    // SAFETY: both places live until the call returns.
    returning(|data, length| unsafe { proxy_dequeue_shared_queue(queue, data, length) })
}

/// Lets the paused request of the effective context go on. Its headers cannot be changed after this.
pub(super) fn continue_request() -> Result<(), Status> {
    const REQUEST: i32 = 0;
    // SAFETY: a plain number.
    check(unsafe { proxy_continue_stream(REQUEST) })
}

/// Answers the request of the effective context here. For a gRPC client Envoy makes it an answer of trailers only,
/// with the second status.
pub(super) fn send_local_response(
    status: u16,
    grpc_status: i32,
    details: &str,
    body: &[u8],
    headers: &[u8],
) -> Result<(), Status> {
    // SAFETY: the four buffers outlive the call.
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Sends a request without a body to a cluster. The answer comes to the root of the context that is in
/// effect now, under the number that is returned.
pub(super) fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, Status> {
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let no_trailers = super::headers::serialize(&[]);
    let mut token = 0;
    // SAFETY: all buffers and the place outlive the call.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            timeout,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// Makes another context the one that calls are about. It fails where that context is gone.
pub(super) fn set_effective_context(context: u32) -> Result<(), Status> {
    // SAFETY: a plain number.
    check(unsafe { proxy_set_effective_context(context) })
}

/// Calls a function of this host that the ABI does not name. Other hosts do not have it, and say so.
pub(super) fn call_foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: name, arguments and both places outlive the call.
    returning(|data, length| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            length,
        )
    })
}

pub(super) fn define_metric(kind: MetricType, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the name and the place outlive the call.
    check(unsafe { proxy_define_metric(kind as i32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds to a counter or, also below zero, to a gauge. All VMs write to one metric of a name.
pub(super) fn increment_metric(id: u32, by: i64) -> Result<(), Status> {
    // SAFETY: plain numbers.
    check(unsafe { proxy_increment_metric(id, by) })
}

/// Puts a gauge at a value, whoever wrote to it before.
pub(super) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: plain numbers.
    check(unsafe { proxy_record_metric(id, value) })
}

/// Whether a line of this level would be written.
pub(super) fn is_logged(level: LogLevel) -> bool {
    let mut lowest = 0;
    // SAFETY: the place lives until the call returns.
    let status = check(unsafe { proxy_get_log_level(&raw mut lowest) });
    status.is_ok() && lowest <= number(level)
}

/// Both clocks. A wall clock that cannot be read stands at its end, where every token has expired.
pub(super) fn now() -> Now {
    const REALTIME: u32 = 0;
    const MONOTONIC: u32 = 1;
    let read = |clock| {
        let mut nanoseconds = 0;
        // SAFETY: the place lives until the call returns.
        let status = unsafe { clock_time_get(clock, 0, &raw mut nanoseconds) };
        (status == 0).then_some(nanoseconds)
    };
    Now {
        monotonic: Monotonic::from_nanoseconds(read(MONOTONIC).unwrap_or_default()),
        wall: UnixTime::from_seconds(Duration::from_nanos(read(REALTIME).unwrap_or(u64::MAX)).as_secs()),
    }
}

/// Random bytes, if the host gives them.
pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the buffer lives until the call returns.
    let status = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    (status == 0).then_some(bytes)
}
