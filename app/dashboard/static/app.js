"use strict";
// Tells times in the reader's zone, and reads the page anew when its stream says that something has changed.
// Without this script everything is there all the same: times in UTC, and a page as new as its last reload.
(() => {
  const AT_MOST_EVERY = 1000;
  const TRY_AGAIN = 5000;
  const AGES_EVERY = 15000;
  const pad = (number) => String(number).padStart(2, "0");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  const local = (at) =>
    `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ` +
    `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;

  function span(seconds) {
    const units = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
    for (const [unit, name, below, belowName] of units) {
      if (seconds >= unit) {
        const rest = Math.floor((seconds % unit) / below);
        return `${Math.floor(seconds / unit)} ${name}` + (rest ? ` ${rest} ${belowName}` : "");
      }
    }
    return `${seconds} s`;
  }

  function tell(time) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) return;
    const utc = `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    if ("ago" in time.dataset) {
      const seconds = Math.round((Date.now() - at) / 1000);
      time.textContent = Math.abs(seconds) < 1 ? "now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
      time.title = `${local(at)} · ${utc}`;
    } else {
      time.textContent = local(at);
      time.title = utc;
    }
  }

  const tellTimes = (root) => root.querySelectorAll("time").forEach(tell);

  // What the reader has opened or typed stays as it is.
  const kept = {
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old) => !(old.nodeType === Node.ELEMENT_NODE && "still" in old.dataset),
      beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
      beforeNodeRemoved: (old) => !(old.nodeType === Node.ELEMENT_NODE && "still" in old.dataset),
    },
  };

  let source = null;
  let address = null;
  let isReading = false;
  let isOutdated = false;
  let isPaused = false;
  let readAt = 0;
  let planned = 0;
  let again = 0;

  async function read() {
    planned = 0;
    if (isReading) { isOutdated = true; return; }
    isReading = true;
    isOutdated = false;
    readAt = Date.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
      if (answer.redirected) { location.assign(answer.url); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = page.querySelector("main");
      if (!main || isPaused) return;
      tellTimes(page);
      Idiomorph.morph(document.querySelector("main"), main, kept);
      document.title = page.title;
      follow();
    } catch {
      plan(TRY_AGAIN);
    } finally {
      isReading = false;
      if (isOutdated) plan(AT_MOST_EVERY);
    }
  }

  function plan(wait = 0) {
    if (planned || isPaused || document.hidden) return;
    planned = setTimeout(read, Math.max(wait, readAt + AT_MOST_EVERY - Date.now(), 0));
  }

  function follow() {
    const wanted = isPaused || document.hidden ? null : document.querySelector("main").dataset.stream || null;
    const every = Number(document.querySelector("main").dataset.every || 0);
    clearTimeout(again);
    if (every && !isPaused && !document.hidden) again = setTimeout(plan, every);
    if (wanted === address && (source === null || source.readyState !== EventSource.CLOSED)) return;
    if (source) source.close();
    source = null;
    address = wanted;
    if (!wanted) return;
    source = new EventSource(wanted);
    source.addEventListener("change", () => plan());
    // What happened while nobody listened is seen by looking once: also between the page that was loaded and
    // its stream, which begins later.
    source.addEventListener("open", () => plan());
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        address = null;
        setTimeout(() => { plan(); follow(); }, TRY_AGAIN);
      }
    });
  }

  // A page that nobody looks at costs nothing.
  document.addEventListener("visibilitychange", () => {
    follow();
    if (!document.hidden && document.querySelector("main").dataset.stream) plan();
  });
  document.addEventListener("click", (click) => {
    const button = click.target.closest("[data-pause]");
    if (!button) return;
    isPaused = !isPaused;
    button.setAttribute("aria-pressed", String(isPaused));
    button.textContent = isPaused ? "Go on" : "Pause";
    follow();
    plan();
  });
  setInterval(() => { if (!document.hidden) document.querySelectorAll("time[data-ago]").forEach(tell); }, AGES_EVERY);

  tellTimes(document);
  document.querySelectorAll("[data-zone]").forEach((each) => {
    each.textContent = `Times are local (${zone}); UTC where you point at them.`;
  });
  // What was done is told once, not at each reload.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }
  follow();
})();
