//! Breadth first, so that the first violation has the shortest trace.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use super::configurations::Configuration;
use super::moves::{Move, moves};
use super::portal::PortalRules;
use super::state::State;

/// What a search came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The world's name.
    pub name: &'static str,
    /// Every state up to this depth was looked at.
    pub depth: usize,
    /// There are no others: the world is finite and was explored whole.
    pub exhausted: bool,
    /// So many different states.
    pub states: usize,
    /// So many moves.
    pub moves: u64,
    /// How long it took.
    pub took: Duration,
    /// What went wrong.
    pub found: Option<Found>,
}

/// A state that must not be.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is wrong with it.
    pub what: String,
    /// How it came to that.
    pub trace: Vec<Move>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = if self.exhausted {
            ", all there are"
        } else {
            ""
        };
        write!(
            f,
            "{:<13} depth {:>2}{whole}, {} states, {} moves, {:.1} s",
            self.name,
            self.depth,
            self.states,
            self.moves,
            self.took.as_secs_f64()
        )?;
        match &self.found {
            None => Ok(()),
            Some(found) => write!(f, "\n{found}"),
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for step in &self.trace {
            write!(text, "\n    {step:?}")?;
        }
        write!(f, "  {}{text}", self.what)
    }
}

/// 128 bits of a state; two boxes that changed places are the same state.
fn fingerprint(state: &State) -> u128 {
    let half = |salt: u8, b: usize| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash_box(b, &mut hasher);
        hasher.finish()
    };
    let whole = |salt: u8| {
        let (first, second) = (half(salt, 0), half(salt, 1));
        let mut hasher = DefaultHasher::new();
        (first.min(second), first.max(second)).hash(&mut hasher);
        state.hash_rest(&mut hasher);
        hasher.finish()
    };
    u128::from(whole(0)) << 64 | u128::from(whole(1))
}

fn look(state: &State, world: &Configuration, rules: &dyn PortalRules) -> Result<(), String> {
    state.safe(world)?;
    state.fair(world, rules)
}

/// Looks at every state up to `depth` moves from the start, or until `limit` has passed.
pub fn explore(
    world: &Configuration,
    rules: &dyn PortalRules,
    depth: usize,
    limit: Option<Duration>,
) -> Report {
    let began = Instant::now();
    let start = State::start();
    let mut seen = HashSet::from([fingerprint(&start)]);
    // Where each state came from: the start is number 0.
    let mut steps: Vec<(u32, Option<Move>)> = vec![(0, None)];
    let mut frontier = vec![(0_u32, start)];
    let mut report = Report {
        name: world.name,
        depth: 0,
        exhausted: false,
        states: 1,
        moves: 0,
        took: Duration::ZERO,
        found: None,
    };
    'deeper: while report.depth < depth && !report.exhausted {
        let mut next = Vec::new();
        for (from, state) in &frontier {
            if limit.is_some_and(|limit| began.elapsed() > limit) {
                break 'deeper;
            }
            for step in moves(state, world) {
                let Some(after) = state.after(step, world, rules) else {
                    continue;
                };
                report.moves += 1;
                if !seen.insert(fingerprint(&after)) {
                    continue;
                }
                let number = u32::try_from(steps.len()).expect("fewer than 2^32 states");
                steps.push((*from, Some(step)));
                if let Err(what) = look(&after, world, rules) {
                    report.found = Some(Found {
                        what,
                        trace: trace(&steps, number),
                    });
                    report.depth += 1;
                    break 'deeper;
                }
                next.push((number, after));
            }
        }
        report.depth += 1;
        report.exhausted = next.is_empty();
        frontier = next;
    }
    report.states = seen.len();
    report.took = began.elapsed();
    report
}

fn trace(steps: &[(u32, Option<Move>)], mut number: u32) -> Vec<Move> {
    let mut trace = Vec::new();
    while let (from, Some(step)) = steps[number as usize] {
        trace.push(step);
        number = from;
    }
    trace.reverse();
    trace
}

/// Plays moves from the start, passing over those that can't be made, and looks at each
/// state.
///
/// # Errors
/// What is wrong, and after how many moves.
pub fn replay(
    world: &Configuration,
    rules: &dyn PortalRules,
    trace: &[Move],
) -> Result<State, (usize, String)> {
    let mut state = State::start();
    for (number, step) in trace.iter().enumerate() {
        state = state.after(*step, world, rules).unwrap_or(state);
        look(&state, world, rules).map_err(|what| (number, what))?;
    }
    Ok(state)
}
