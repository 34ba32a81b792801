//! Random histories of several VMs over one store.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::collections::BTreeMap;

use super::*;

/// A call under way: the VM that made it, and when it times out.
struct Flight {
    vm: usize,
    until: u64,
}

/// Several VMs over one store, with calls that end well, badly or late, VMs that die, and lost wake-ups.
struct World {
    store: Memory,
    vms: Vec<(Lease, Tokens)>,
    flights: Vec<Flight>,
    now: u64,
    issued: u64,
    /// When each issued token ends, in milliseconds.
    ends: BTreeMap<String, u64>,
    definition: Rc<Definition>,
}

impl World {
    fn new(vms: u64) -> Self {
        let vms = (0..vms).map(|owner| (Lease::new(owner + 1), Tokens::default())).collect();
        let (store, flights, ends) = (Memory::default(), Vec::new(), BTreeMap::new());
        Self { store, vms, flights, now: 50_000, issued: 0, ends, definition: definition("api://a") }
    }

    fn request(&mut self, vm: usize) -> bool {
        match self.vms[vm].1.get(&self.definition, at(self.now)) {
            Get::Token(token) => {
                assert!(self.now < self.ends[token.expose()], "an expired token was given");
                true
            }
            _ => false,
        }
    }

    fn tick(&mut self, vm: usize) {
        let (lease, tokens) = &mut self.vms[vm];
        for _ in tokens.due(lease, &mut self.store, &mut NoInputs, at(self.now)).calls {
            self.flights.push(Flight { vm, until: self.now + CALL_TIMEOUT.as_millis() as u64 });
        }
        assert!(self.flights.len() <= 1, "two token requests at a time");
    }

    fn end(&mut self, flight: Flight, answer: &Answer, dice: &mut Dice) {
        let mut jitter = Jitter::new(dice.roll(1 << 30));
        let (lease, tokens) = &mut self.vms[flight.vm];
        tokens.answered(
            self.definition.fingerprint,
            Ok(answer),
            lease,
            &mut self.store,
            at(self.now),
            &mut jitter,
        );
    }

    fn answer(&mut self, dice: &mut Dice) {
        let Some(flight) = self.flights.pop() else { return };
        let answer = match dice.roll(4) {
            0 => status(500),
            _ => {
                self.issued += 1;
                let (name, life) = (format!("t{}", self.issued), 1 + dice.roll(20));
                self.ends.insert(name.clone(), self.now + life * 1_000);
                token_answer(&name, life)
            }
        };
        self.end(flight, &answer, dice);
    }

    fn advance(&mut self, milliseconds: u64, dice: &mut Dice) {
        self.now += milliseconds;
        while let Some(index) = self.flights.iter().position(|flight| flight.until <= self.now) {
            let flight = self.flights.remove(index);
            self.end(flight, &status(504), dice);
        }
    }

    /// A VM dies with its memory; its call goes on somewhere, but nobody hears the answer.
    fn die(&mut self, vm: usize, dice: &mut Dice) {
        self.flights.retain(|flight| flight.vm != vm);
        self.vms[vm] = (Lease::new(1_000 + dice.roll(1 << 30)), Tokens::default());
    }

    fn wake(&mut self, vm: usize) {
        let (lease, tokens) = &mut self.vms[vm];
        tokens.look(lease, &mut self.store, at(self.now));
    }
}

#[test]
fn in_random_histories_there_is_one_call_at_a_time_no_expired_token_and_always_a_way_on() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut world = World::new(1 + dice.roll(4));
        let vms = world.vms.len() as u64;
        for _ in 0..300 {
            let vm = dice.roll(vms) as usize;
            match dice.roll(12) {
                0..=3 => {
                    world.request(vm);
                }
                4..=6 => world.tick(vm),
                7 => world.answer(&mut dice),
                8 | 9 => world.advance(dice.roll(3_000), &mut dice),
                10 => world.wake(vm),
                _ => world.die(vm, &mut dice),
            }
        }
        // Whatever happened: with an endpoint that answers, every VM has a token within a minute.
        for vm in 0..world.vms.len() {
            let served = (0..600).any(|_| {
                let served = world.request(vm);
                (0..world.vms.len()).for_each(|vm| world.tick(vm));
                if let Some(flight) = world.flights.pop() {
                    let name = format!("last{}.{}", vm, world.now);
                    world.ends.insert(name.clone(), world.now + 600_000);
                    world.end(flight, &token_answer(&name, 600), &mut dice);
                }
                world.advance(100, &mut dice);
                served
            });
            assert!(served, "seed {seed}: VM {vm} never got a token");
        }
    }
}

#[test]
fn a_root_that_goes_away_lets_go_of_its_call_and_lease() {
    let mut world = World::new(2);
    world.request(0);
    world.tick(0);
    assert_eq!(world.flights.len(), 1);
    world.flights.clear();
    let (lease, tokens) = &mut world.vms[0];
    tokens.lost(world.definition.fingerprint, lease, &mut world.store, at(world.now));
    world.tick(0);
    assert_eq!(world.flights.len(), 1, "the call is made again at once");
}
