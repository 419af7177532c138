// Comfort for every page; each works without it.
//
// 1. A form is sent once: its button is busy until the answer comes.
// 2. On pages that ask for it, the parts named by data-part are fetched again every few
//    seconds, or when the page's event stream says so, without losing focus, and a line says
//    so when they grow stale.
// 3. A time zone is proposed.

const busy = (form, on) => {
  for (const button of form.querySelectorAll("button")) {
    button.disabled = on;
    button.setAttribute("aria-busy", String(on));
  }
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // After this turn, so that the button's own value is still sent.
  setTimeout(() => busy(form, true));
  if (form.dataset.download !== undefined) {
    setTimeout(() => { delete form.dataset.sent; busy(form, false); }, 3000);
  }
});

// Coming back by the browser's own button: everything can be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) { delete form.dataset.sent; busy(form, false); }
});

// Where nobody chose a time zone yet, the browser's own is proposed.
for (const list of document.querySelectorAll("[data-guess-zone] select")) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const here = [...list.options].find((option) => option.value === timeZone);
  if (here) here.selected = true;
}

const main = document.querySelector("main[data-refresh]");

if (main) {
  const every = Math.max(2, Number(main.dataset.refresh)) * 1000;
  const stale = main.querySelector("[data-stale]");
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  let last = new Date();

  // A part that somebody is using is left alone until they are done.
  const inUse = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") ||
    part.querySelector("form[data-sent], details[open], input:user-invalid") !== null;

  const swap = (fresh) => {
    for (const part of main.querySelectorAll("[data-part]")) {
      const next = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
      if (!next || inUse(part) || next.outerHTML === part.outerHTML) continue;
      const links = (root) => [...root.querySelectorAll("a, button, summary")];
      const focused = links(part).indexOf(document.activeElement);
      part.replaceWith(document.adoptNode(next));
      if (focused >= 0) links(next)[focused]?.focus();
    }
  };

  const grow_stale = () => {
    stale.querySelector("span").textContent =
      `This page can't be refreshed; it shows how things stood at ${clock.format(last)}.`;
    stale.hidden = false;
  };

  let asking = false;
  const refresh = async () => {
    if (asking || document.visibilityState !== "visible") return;
    asking = true;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(every * 2) });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      last = new Date();
      stale.hidden = true;
    } catch {
      grow_stale();
    } finally {
      asking = false;
    }
  };

  const poll = async () => { await refresh(); setTimeout(poll, every); };
  const source = main.querySelector("[data-events]")?.dataset.events;

  // One stream a page, and none for a page that nobody sees: browsers hold few connections.
  let events = null;
  const listen = () => {
    events?.close();
    events = null;
    if (document.visibilityState !== "visible") return;
    events = new EventSource(source);
    for (const name of ["state", "beat"]) events.addEventListener(name, refresh);
    // It connects again by itself, unless it was refused: then the page asks, and is told why.
    events.addEventListener("error", () => {
      grow_stale();
      if (events?.readyState === EventSource.CLOSED) setTimeout(poll, every);
    });
  };

  if (source && window.EventSource) {
    listen();
    document.addEventListener("visibilitychange", () => { listen(); refresh(); });
  } else {
    setTimeout(poll, every);
  }
}
