//! What Envoy calls. Each callback finds the VM and hands over; none of them panics, for a panic takes the
//! worker's plugin down.

use super::abi;
use super::stream;
use super::vm::with_vm;

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

unsafe extern "C" {
    /// The linker's: constructors of the C library. Unless we call it, the linker has every export call it.
    fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: Envoy calls this once, before anything else.
    unsafe { __wasm_call_ctors() };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    abi::allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context: u32, _configuration_size: usize) -> bool {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        abi::log(crate::observe::LogLevel::Error, &format!("internal fault at {place}; please report it"));
    }));
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    with_vm(|vm| match root {
        0 => vm.create_root(context),
        root => vm.create_stream(context, root),
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _configuration_size: usize) -> bool {
    with_vm(|vm| vm.configure(root)).unwrap_or(false)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with_vm(|vm| vm.tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    with_vm(|vm| vm.queue_ready(root, queue));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    headers: u32,
    body_size: usize,
    _trailers: u32,
) {
    with_vm(|vm| vm.call_ended(root, token, headers, body_size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(request: u32, _headers: u32, _end_of_stream: bool) -> i32 {
    #[cfg(feature = "test_only")]
    if let Some(action) = super::test_only::obey() {
        return action as i32;
    }
    with_vm(|vm| vm.request_headers(request)).unwrap_or_else(stream::fault) as i32
}

/// The answer of the backend, or Envoy's own.
#[cfg(feature = "response_headers")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(request: u32, _headers: u32, _end_of_stream: bool) -> i32 {
    with_vm(|vm| vm.response_headers(request));
    stream::Action::Continue as i32
}

/// Where the plugin's configuration says `allow_on_headers_stop_iteration`, Envoy calls this for a request whose
/// headers are held back, and would let the request go on if nobody said otherwise.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(request: u32, _size: usize, _end_of_stream: bool) -> i32 {
    with_vm(|vm| vm.more_of_request(request)).unwrap_or_else(stream::fault) as i32
}

/// See [`proxy_on_request_body`].
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(request: u32, _trailers: u32) -> i32 {
    with_vm(|vm| vm.more_of_request(request)).unwrap_or_else(stream::fault) as i32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with_vm(|vm| vm.delete(context));
}
