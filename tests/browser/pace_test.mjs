// The player's pace against made-up cameras and networks: node tests/browser/pace_test.mjs
//
// Each case plays a minute of video that arrives as a network would deliver it, by a clock of its
// own, and looks at how late the picture was and how often it stood still.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const source = readFileSync(new URL("../../appliance/web/assets/pace.js", import.meta.url), "utf8");
const { Pace } = new Function(`${source}; return { Pace };`)();

const TICK_S = 0.005;

// Plays `seconds` of pictures `step` apart; `delay(n)` is how long the n-th is on its way.
const play = ({ step, seconds, delay, start = 0 }) => {
  const pace = new Pace();
  const result = { stalls: 0, jumps: 0, behind: [], rates: new Set() };
  let [shown, rate, next, end, stalled] = [start, 1, 0, 0, false];
  let due = delay(0);
  for (let now = 0; now < seconds; now += TICK_S) {
    while (now >= due) {
      pace.arrived(now, end);
      end += step;
      next += 1;
      // Pictures keep their order.
      due = Math.max(due, next * step + delay(next));
      const advice = pace.advise(now, shown);
      rate = advice.rate;
      result.rates.add(rate);
      if (advice.jump !== undefined) {
        shown = Math.min(end, Math.max(0, advice.jump));
        result.jumps += 1;
      }
    }
    const before = shown;
    shown = Math.min(end, shown + rate * TICK_S);
    const dry = shown === end && before === end && next > 0;
    if (dry && !stalled) {
      result.stalls += 1;
      result.lastStall = now;
      pace.stalled();
    }
    stalled = dry;
    // A camera's clock: picture n was taken at n * step.
    if (now > seconds - 10) result.behind.push(now - shown);
  }
  result.behind = result.behind.reduce((sum, value) => sum + value, 0) / result.behind.length;
  return result;
};

// Not random: the same at each run.
const wobble = (most) => (n) => most * ((n * 7919) % 101) / 101;

{
  const { behind, stalls } = play({ step: 0.1, seconds: 60, delay: () => 0.02 });
  assert(behind < 0.1, `a steady camera is shown ${behind} s late`);
  assert(stalls <= 1, `${stalls} stalls`);
}
{
  const { behind, lastStall = 0 } = play({ step: 0.04, seconds: 60, delay: wobble(0.2) });
  assert(behind > 0.2 && behind < 0.4, `with 0.2 s of jitter it is ${behind} s late`);
  assert(lastStall < 15, `it still stalls after ${lastStall} s`);
}
{
  // Ten seconds are there at once: it jumps, and does not crawl.
  const late = play({ step: 0.1, seconds: 60, delay: (n) => Math.max(0, 10 - n * 0.1) });
  assert(late.jumps >= 1 && late.jumps <= 3, `${late.jumps} jumps`);
  assert(late.behind < 0.15, `${late.behind} s behind`);
}
{
  // One hiccup of half a second is forgotten: after a while it is as close as before.
  const once = play({ step: 0.1, seconds: 60, delay: (n) => n > 100 && n < 105 ? 0.5 : 0.02 });
  assert(once.behind < 0.15, `${once.behind} s behind half a minute after a hiccup`);
}
{
  // The camera's clock is 2 % fast against the viewer's: the picture keeps up without a jump.
  const drift = play({ step: 0.1, seconds: 60, delay: (n) => 2 - n * 0.002 });
  assert.equal(drift.jumps, 0);
  assert([...drift.rates].every((rate) => rate >= 0.95 && rate <= 1.25));
}
{
  const pace = new Pace();
  assert.deepEqual(pace.advise(5, 0), { rate: 1 }, "nothing arrived, nothing to do");
  pace.arrived(10, 2);
  pace.reset();
  assert.deepEqual(pace.advise(11, 0), { rate: 1 });
}
console.log("pace: stays close behind, and does not run dry");
