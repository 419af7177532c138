// How fast to play so as to stay close behind a camera, without running dry. Pure: time comes in
// as arguments, seconds throughout; nothing here touches the page.
//
// Each piece of video arrives at some moment and begins where the last one ended. Arrival minus
// that beginning is how late it was; the latest of the last seconds says how far behind the camera
// the picture must be shown so that it never stops: that, and a margin.

const WINDOW_S = 5;         // how far back lateness counts
const LEAST_MARGIN_S = 0.03;
const MOST_MARGIN_S = 0.5;
const MARGIN_DECAY = 0.1;   // a second, of what is above the least
const JUMP_ABOVE_S = 0.8;   // too far behind: jump
const DEAD_BAND_S = 0.015;  // near enough
const FASTEST = 1.25;
const SLOWEST = 0.95;

class Pace {
  constructor() {
    this.margin = LEAST_MARGIN_S;
    this.reset();
  }

  // What arrived before says nothing about what follows.
  reset() {
    this.late = [];
    this.decayed = null;
  }

  // A piece that begins at `start` on the video's timeline arrived.
  arrived(now, start) {
    this.late.push({ now, late: now - start });
    while (this.late[0].now < now - WINDOW_S) this.late.shift();
    if (this.decayed !== null) {
      const share = Math.min(1, (now - this.decayed) * MARGIN_DECAY);
      this.margin -= (this.margin - LEAST_MARGIN_S) * share;
    }
    this.decayed = now;
  }

  // The picture stood still for want of video.
  stalled() {
    this.margin = Math.min(MOST_MARGIN_S, this.margin * 1.25 + 0.01);
  }

  // Where the picture should be at `now`, on the video's timeline.
  target(now) {
    const latest = this.late.reduce((most, { late }) => Math.max(most, late), -Infinity);
    return now - latest - this.margin;
  }

  // What to do with a picture that is at `shown`: a rate, or a place to jump to.
  advise(now, shown) {
    if (this.late.length === 0) return { rate: 1 };
    const target = this.target(now);
    const behind = target - shown;
    if (behind > JUMP_ABOVE_S) return { rate: 1, jump: target };
    if (Math.abs(behind) <= DEAD_BAND_S) return { rate: 1 };
    // Ahead of where it should be, it is let fall back slowly; at worst it stops once.
    return { rate: Math.min(FASTEST, Math.max(SLOWEST, 1 + behind)) };
  }
}
