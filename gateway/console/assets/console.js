// What the page does by itself: it says when the box falls silent, comes back by itself, tells the server which cards
// are in sight, keeps unfolded what was unfolded, counts unanswered alerts in the tab's title, and sounds while something
// urgent is unanswered.
(() => {
  const LOST_MS = 5000; // five beats missed
  const TRY_MS = 5000;
  const SOUND_MS = 8000;
  const title = document.title;
  let beat = null;
  let heard = performance.now();
  let tried = 0;
  let sounded = 0;
  let audio = null;
  let wanted = false;
  const seen = new Set();
  const watched = new WeakSet();
  const unfolded = new Set();

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) seen.add(entry.target.dataset.resident);
      else seen.delete(entry.target.dataset.resident);
    }
    emitEvent("y_visible", [...seen]);
  });

  function watchCards() {
    for (const card of document.querySelectorAll("[data-resident]")) {
      if (watched.has(card)) continue;
      watched.add(card);
      observer.observe(card);
    }
  }

  function listen(now) {
    const element = document.querySelector("[data-beat]");
    if (element && element.dataset.beat !== beat) {
      beat = element.dataset.beat;
      heard = now;
    }
    const silent = now - heard;
    const lost = silent > LOST_MS;
    const banner = document.getElementById("y-lost");
    banner.hidden = !lost;
    document.body.classList.toggle("y-is-lost", lost);
    if (lost) {
      banner.querySelector("b").textContent = String(Math.round(silent / 1000));
      comeBack(now);
    }
  }

  // Loads the page again as soon as the box answers; until then what was known stays in sight, grey, under the banner.
  function comeBack(now) {
    if (now - tried < TRY_MS) return;
    tried = now;
    const before = beat;
    fetch("/console/session", { cache: "no-store", signal: AbortSignal.timeout(TRY_MS - 500) })
      .then(() => window.setTimeout(() => beat === before && window.location.reload(), 3000))
      .catch(() => undefined);
  }

  function count() {
    const open = document.querySelectorAll("[data-unanswered='true']").length;
    document.title = open ? `(${open}) ${title}` : title;
  }

  function sound(now) {
    const button = document.getElementById("y-sound");
    if (!button) return;
    const on = wanted && audio.state === "running";
    button.textContent = on ? button.dataset.on : button.dataset.off;
    button.setAttribute("aria-pressed", String(on));
    if (!on || now - sounded < SOUND_MS || !document.querySelector(".y-flash")) return;
    sounded = now;
    [0, 0.25, 0.5].forEach((after) => {
      const tone = audio.createOscillator();
      const loudness = audio.createGain();
      tone.frequency.value = 660;
      loudness.gain.value = 0.2;
      tone.connect(loudness).connect(audio.destination);
      tone.start(audio.currentTime + after);
      tone.stop(audio.currentTime + after + 0.15);
    });
  }

  // What a reader has unfolded stays so when its text is made anew.
  const foldOf = (fold) => fold.dataset.fold + (fold.closest("[data-alert]")?.dataset.alert ?? "");
  document.addEventListener(
    "toggle",
    (event) => {
      if (!event.target.matches("[data-fold]")) return;
      if (event.target.open) unfolded.add(foldOf(event.target));
      else unfolded.delete(foldOf(event.target));
    },
    true,
  );
  new MutationObserver(() => {
    for (const fold of document.querySelectorAll("[data-fold]:not([open])")) {
      if (unfolded.has(foldOf(fold))) fold.open = true;
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener("click", (event) => {
    if (event.target.id !== "y-sound") {
      for (const menu of document.querySelectorAll("details.y-menu[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
      return;
    }
    audio = audio ?? new AudioContext();
    wanted = !wanted;
    (wanted ? audio.resume() : audio.suspend()).then(() => sound(performance.now()));
  });

  window.setInterval(() => {
    const now = performance.now();
    // Its own remedy for a silent network is to load the page, which would leave nothing but the browser's error.
    window.socket?.io?.timeout?.(false);
    listen(now);
    watchCards();
    count();
    sound(now);
  }, 1000);
})();
