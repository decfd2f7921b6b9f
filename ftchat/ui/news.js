// What goes on by itself: asked for every other second while somebody looks, by one small call. Pieces of HTML that show
// it are told here; what else changes (buttons, tabs) gradio brings when it is told that there is something.
window.ftchatNews = (() => {
  const pieces = new Map(); // id -> its element, what sets its text, and what that was when we last set it
  const page = Math.random().toString(36).slice(2, 12);
  let others = null; // what gradio brings: a digest
  let bring = () => {};
  let app = null;
  let timer = 0;
  let asking = false;
  let again = false;
  let refused = 0; // answers in a row that were none
  let brought = 0; // when, in ms
  const BRING_MS = 60_000; // at least so often: an answer may be missed, and gradio forgets a page that asks for nothing

  const inSight = (element) => {
    const panel = element.closest("[role=tabpanel]");
    return !panel || panel.offsetParent !== null;
  };

  const lost = (is) => {
    const line = document.getElementById("lost");
    if (line && line.hidden === is) line.hidden = !is;
  };

  const heed = (told) => {
    const another = app !== null && told.app !== app;
    if ((another || window.ftchatStale) && !window.ftchatWriting()) return location.reload();
    if (another) return; // it knows nothing of this page; what is half written can still be copied
    app = told.app;
    for (const [id, [digest, text]] of Object.entries(told.pieces)) {
      const piece = pieces.get(id);
      if (!piece) continue;
      piece.digest = digest;
      piece.set(text);
    }
    if (told.others === others && Date.now() - brought < BRING_MS) return;
    others = told.others;
    brought = Date.now();
    bring();
  };

  const ask = async () => {
    clearTimeout(timer);
    if (asking) { again = true; return; }
    if (document.hidden) return;
    asking = true;
    again = false;
    let wait = 1300;
    try {
      const seen = [...pieces].filter(([, piece]) => inSight(piece.element));
      const have = seen.map(([id, piece]) => `${id}.${piece.digest}`).join(",");
      const answer = await fetch(`/news?page=${page}&have=${have}`, { signal: AbortSignal.timeout?.(10_000) });
      refused = answer.ok || answer.status === 401 ? 0 : refused + 1; // calls.js sees to a login that has ended
      lost(refused > 1);
      if (answer.ok) {
        const told = await answer.json();
        wait = 1000 * told.again_s;
        heed(told);
      }
    } catch {
      lost(true); // no connection: it is asked again
    }
    asking = false;
    timer = setTimeout(ask, again ? 0 : wait);
  };

  const soon = () => setTimeout(ask, 30);
  document.addEventListener("visibilitychange", ask);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[role=tab], .overflow-dropdown")) soon();
  });
  return {
    /** A piece that is told its text; it says when somebody else has set it. */
    piece(id, element, set) {
      const piece = { element, set, digest: "" };
      pieces.set(id, piece);
      soon();
      return () => { piece.digest = ""; };
    },
    /** What is called when gradio is to bring the rest. */
    others(call) {
      bring = call;
      others = null;
      soon();
    },
  };
})();
