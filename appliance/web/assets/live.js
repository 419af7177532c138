// The page of one camera: its player, sound, a snapshot, and steering.

const screen = document.querySelector("[data-live]");
const player = new Player(screen, screen.dataset.stream);
const camera = screen.dataset.live.split("/").pop();
const told = document.querySelector("[data-told]");

const tell = (text) => {
  told.textContent = text;
  told.hidden = text === "";
};

// What the box says when it does not do something.
const complaint = async (answer) => {
  try {
    const problem = await answer.json();
    return `${problem.cause} ${problem.cure}`;
  } catch {
    return "The box does not answer.";
  }
};

const fullScreen = document.querySelector("[data-full-screen]");
if (screen.requestFullscreen) {
  fullScreen.hidden = false;
  fullScreen.addEventListener("click", () => screen.requestFullscreen());
}

const sound = document.querySelector("[data-sound]");
player.video.addEventListener("format", (event) => { sound.hidden = !event.detail.sound; });
sound.addEventListener("click", () => {
  player.video.muted = !player.video.muted;
  sound.setAttribute("aria-pressed", String(!player.video.muted));
});

const snapshot = document.querySelector("[data-snapshot]");
snapshot.addEventListener("click", async (event) => {
  event.preventDefault();
  snapshot.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(snapshot.href, { signal: AbortSignal.timeout(20000) });
    if (!answer.ok) {
      tell(await complaint(answer));
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${camera}-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    tell("");
  } catch {
    tell("The camera gave no picture in time. Try again.");
  } finally {
    snapshot.removeAttribute("aria-busy");
  }
});

// Steering, where the camera offers it: while a button is held, the camera moves.
const pad = document.querySelector("[data-ptz]");
const steering = `/api/v1/ptz/${camera}`;

const steer = async (order) => {
  try {
    const answer = await fetch(steering, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Requested-With": "page" },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(10000),
    });
    tell(answer.ok ? "" : await complaint(answer));
  } catch {
    tell("The camera did not take the order in time. Try again.");
  }
};

let moving = false;
const stop = () => {
  if (!moving) return;
  moving = false;
  steer({ order: "stop" });
};

const arm = () => {
  for (const button of pad.querySelectorAll("[data-move]")) {
    const [pan, tilt, zoom] = button.dataset.move.split(" ").map(Number);
    const move = () => {
      moving = true;
      steer({ order: "move", pan, tilt, zoom });
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      move();
    });
    for (const end of ["pointerup", "pointercancel", "blur"]) button.addEventListener(end, stop);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => {
      if (event.repeat || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      move();
    });
    button.addEventListener("keyup", stop);
  }
};

const offerSteering = async () => {
  const answer = await fetch(steering, { signal: AbortSignal.timeout(20000) });
  if (!answer.ok) return;
  const { presets } = await answer.json();
  const places = pad.querySelector("[data-presets]");
  for (const preset of presets) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button secondary";
    button.textContent = preset.name || preset.token;
    button.addEventListener("click", () => steer({ order: "go_to", preset: preset.token }));
    places.append(button);
  }
  arm();
  pad.hidden = false;
};
// A camera that can't be steered, or does not answer, shows no pad; nor does a page of somebody
// who may not steer.
if (pad) offerSteering().catch(() => {});
