// Live video: fragmented MP4 from a WebSocket into a <video> by Media Source Extensions.
//
// A text message names the format; the next binary message is the initialization segment,
// the following ones are parts of about a second. The player stays close behind the newest
// part: a little late, it plays a little faster; far behind, it jumps. A hidden tab
// watches nothing. After a failure it tries again, later each time.

const KEEP_S = 8;           // played video kept in the buffer
const FAST_ABOVE_S = 1.3;   // behind the newest part: play faster from here
const JUMP_ABOVE_S = 2;   // and jump from here
const JUMP_TO_S = 0.8;
const FAST = 1.12;
const MAX_QUEUE_BYTES = 16 * 1024 * 1024;
const SILENCE_MS = 15000;   // nothing came: connect again
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15000;

class Player {
  constructor(screen) {
    this.url = screen.dataset.live;
    this.video = screen.querySelector("video");
    this.words = screen.querySelector(".screen-words");
    this.retryMs = FIRST_RETRY_MS;
    this.video.addEventListener("playing", () => this.say(""));
    this.video.addEventListener("error", () => this.failed("The picture can't be decoded"));
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stop(); else this.start();
    });
    this.start();
  }

  say(text) {
    this.words.textContent = text;
    this.words.hidden = text === "";
  }

  start() {
    if (this.socket || document.hidden) return;
    clearTimeout(this.retry);
    this.queue = [];
    this.queued = 0;
    const socket = new WebSocket(this.url.replace(/^/, `wss://${location.host}`));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.opened = false;
    socket.onopen = () => { this.opened = true; };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.heard();
      if (typeof event.data === "string") this.told(JSON.parse(event.data));
      else this.push(event.data);
    };
    socket.onclose = () => { if (this.socket === socket) this.failed(""); };
    this.heard();
  }

  stop() {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.failed("No picture comes"), SILENCE_MS);
  }

  // Ends this attempt and plans the next.
  async failed(why) {
    const refused = this.socket && !this.opened;
    this.stop();
    let text = this.reason ?? why;
    this.reason = null;
    if (refused && !text) text = await this.askWhy();
    this.say(`${text || "The connection was lost"}. Trying again.`.replace("..", "."));
    // Not all viewers at once.
    const wait = this.retryMs * (0.8 + 0.4 * Math.random());
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.start(), wait);
  }

  // A script can't read why a WebSocket was refused; the same address as a plain request says it.
  async askWhy() {
    try {
      const answer = await fetch(this.url, { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) location.reload();
      const problem = await answer.json();
      return problem.code === "SG-API-001" ? "" : `${problem.cause} ${problem.cure}`;
    } catch {
      return "The box does not answer";
    }
  }

  told(message) {
    if (message.problem) this.reason = `${message.problem.cause} ${message.problem.cure}`;
    if (message.mime_type) this.open(message.mime_type);
  }

  open(mimeType) {
    if (!window.MediaSource || !MediaSource.isTypeSupported(mimeType)) {
      this.stop();
      this.say("This browser can't play the camera's video format; recording goes on.");
      return;
    }
    this.queue = [];
    this.queued = 0;
    this.buffer = null;
    const source = new MediaSource();
    this.source = source;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(source);
    this.video.src = this.address;
    source.addEventListener("sourceopen", () => {
      if (this.source !== source) return;
      this.buffer = source.addSourceBuffer(mimeType);
      this.buffer.addEventListener("updateend", () => { this.follow(); this.pump(); });
      this.pump();
    }, { once: true });
  }

  push(bytes) {
    this.queue.push(bytes);
    this.queued += bytes.byteLength;
    if (this.queued > MAX_QUEUE_BYTES) this.failed("This browser can't keep up");
    else this.pump();
  }

  pump() {
    const buffer = this.buffer;
    if (!buffer || buffer.updating || this.queue.length === 0 || this.source.readyState !== "open") return;
    const ranges = buffer.buffered;
    const oldest = ranges.length ? ranges.start(0) : 0;
    if (this.video.currentTime - oldest > 2 * KEEP_S) {
      buffer.remove(oldest, this.video.currentTime - KEEP_S);
      return;
    }
    const bytes = this.queue.shift();
    this.queued -= bytes.byteLength;
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      this.failed(error.name === "QuotaExceededError" ? "The browser's buffer is full" : "The picture can't be decoded");
    }
  }

  // After each part: stay close behind the newest picture.
  follow() {
    const { video, buffer } = this;
    if (!buffer || this.source.readyState !== "open" || buffer.buffered.length === 0) return;
    const last = buffer.buffered.length - 1;
    const start = buffer.buffered.start(last);
    const end = buffer.buffered.end(last);
    const behind = end - video.currentTime;
    if (video.currentTime < start || behind > JUMP_ABOVE_S || behind < 0) {
      video.currentTime = Math.max(start, end - JUMP_TO_S);
    }
    video.playbackRate = behind > FAST_ABOVE_S ? FAST : 1;
    if (video.paused) {
      video.play().catch(() => this.say("The browser does not start the video by itself."));
    }
    this.retryMs = FIRST_RETRY_MS;
  }
}

for (const screen of document.querySelectorAll("[data-live]")) {
  new Player(screen);
  const button = document.querySelector("[data-full-screen]");
  if (button && screen.requestFullscreen) {
    button.hidden = false;
    button.addEventListener("click", () => screen.requestFullscreen());
  }
}
