//! A token's life runs on the monotonic clock: a wall clock that steps changes nothing about it.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The token's life of an hour, in which the wall clock steps by an hour after ten minutes.
fn calls_in_a_life(step: i64) -> usize {
    let mut vm = Vm::new();
    let wall = |milliseconds: u64, is_stepped: bool| {
        let now = at(milliseconds);
        let stepped = now.wall.seconds().checked_add_signed(if is_stepped { step } else { 0 });
        Now { wall: UnixTime::from_seconds(stepped.unwrap()), ..now }
    };
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 3_600)));
    let start = vm.now;
    let mut calls = 0;
    while vm.now < start + 3_600_000 {
        vm.now += 1_000;
        let now = wall(vm.now, vm.now > start + 600_000);
        assert!(matches!(vm.tokens.get(&vm.definition, now), Get::Token(_)), "{} ms", vm.now - start);
        let due = vm.tokens.due(&Lease::new(1), &mut Alone, &mut NoInputs, now);
        for (of, _) in due.calls {
            calls += 1;
            let answer = token_answer("t2", 3_600);
            let mut jitter = Jitter::new(7);
            vm.tokens.answered(of, Ok(&answer), &Lease::new(1), &mut Alone, now, &mut jitter).unwrap();
        }
    }
    calls
}

#[test]
fn a_wall_clock_that_steps_causes_neither_a_storm_nor_an_expired_token() {
    for step in [-3_600, 0, 3_600] {
        assert_eq!(calls_in_a_life(step), 1, "{step} s");
    }
}
