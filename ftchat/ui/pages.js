// The Review page by keys, files taken in, texts copied, what a page was before it was loaded anew, and times in the
// reader's own zone.
(() => {
  // -- review: j and k walk the list, a r and u press what is there --
  const list = () => document.querySelector("#review-list");
  const items = () => [...(list() ? list().querySelectorAll(".item:not([data-decided])") : [])]
    .filter((item) => item.offsetParent !== null);
  let at = -1;

  const mark = (focus) => {
    const found = items();
    if (at >= found.length) at = found.length - 1;
    found.forEach((item, i) => item.classList.toggle("current", i === at));
    if (focus && found[at]) {
      found[at].focus({ preventScroll: true });
      found[at].scrollIntoView({ block: "nearest", behavior: "instant" });
    }
  };
  const step = (by) => {
    const found = items();
    if (!found.length) return false;
    at = Math.min(Math.max(at + by, 0), found.length - 1);
    mark(true);
    return true;
  };
  const press = (root, act) => {
    const button = root && root.querySelector(`[data-act="${act}"]`);
    if (button) button.click();
    return !!button;
  };
  // What was decided by a key is passed over until the list is written anew: the next key is for the next item.
  const decide = (act) => {
    const item = items()[at];
    if (!press(item, act)) return false;
    item.dataset.decided = "";
    item.classList.remove("current");
    mark(false);
    return true;
  };
  const deciding = () => list() && list().querySelector("[data-decided]") !== null;
  const reviewing = {
    j: () => step(1),
    k: () => step(-1),
    a: () => decide("approved"),
    r: () => decide("rejected"),
    u: () => deciding() || press(document.querySelector("#review-notice"), "undo"),
    "/": () => {
      const field = document.querySelector("#review-search input, #review-search textarea");
      if (field) field.focus();
      return !!field;
    },
  };
  const MOVES = /^[jk]$/i; // a key that is held walks on, and decides once
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || window.ftchatTyping(document.activeElement)) return;
    if ((event.repeat && !MOVES.test(event.key)) || localStorage.getItem("ftchat-keys") === "off") return;
    if (!list() || list().offsetParent === null) return;
    const does = reviewing[event.key.toLowerCase()];
    if (does && does()) event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const item = event.target.closest && event.target.closest("#review-list .item");
    if (item) { at = items().indexOf(item); mark(false); }
  });

  // -- files: sent to the API as they are; it says what it took --
  const sent = async (field) => {
    const answer = await fetch(field.dataset.import, { method: "POST", body: field.files[0] });
    const told = await answer.json();
    const done = () => field.dataset.done.replace(/\{(\w+)\}/g, (_, name) => told[name]);
    return { ok: answer.ok, words: answer.ok ? done() : told.error.message };
  };
  document.addEventListener("change", async (event) => {
    const field = event.target;
    if (!field.matches || !field.matches("input[data-import]") || !field.files.length) return;
    const said = field.closest("section").querySelector(".import-said");
    said.classList.remove("bad");
    said.textContent = field.dataset.busy;
    // No connection, or what a proxy answers in our stead.
    const { ok, words } = await sent(field).catch(() => ({ ok: false, words: field.dataset.failed }));
    field.value = "";
    said.classList.toggle("bad", !ok);
    said.textContent = words;
    if (ok) press(field.closest("section"), "again");
  });

  // -- texts copied: where the browser has no clipboard for us (plain http), by selecting what is beside the button --
  const copied = (button) => {
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    return document.execCommand("copy");
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) return;
    const done = navigator.clipboard
      ? await navigator.clipboard.writeText(button.dataset.copy).then(() => true, () => copied(button))
      : copied(button);
    button.textContent = done ? button.dataset.copied : button.dataset.selected;
  });

  // -- a list to choose from: its button says how many are ticked --
  document.addEventListener("change", (event) => {
    const list = event.target.closest && event.target.closest("[data-ticked]");
    const save = list && list.parentElement.querySelector("[data-many]");
    if (!save) return;
    const n = list.querySelectorAll("input:checked").length;
    save.textContent = (n === 1 ? save.dataset.one : save.dataset.many).replace("{n}", n);
    save.disabled = n === 0;
  });

  // -- what was being written when a page is loaded anew, by whomever (gradio does it after a lost connection), is back --
  const BOXES = ["#compare-prompt textarea", "#chat-prompt textarea"];
  const whose = () => document.querySelector("#account a")?.textContent ?? "";
  const toWrite = BOXES.filter((place) => sessionStorage.getItem(place));
  const isBack = new Set(); // until somebody does something: gradio may empty a box once more while it begins
  const putBack = () => {
    for (const place of toWrite) {
      const box = document.querySelector(place);
      const [who, text] = JSON.parse(sessionStorage.getItem(place));
      if (!box || who !== whose()) continue; // the name is not there yet, or is another's
      if (!box.value) {
        box.value = text;
        box.dispatchEvent(new Event("input", { bubbles: true }));
      }
      isBack.add(place);
    }
  };
  // What else was typed would be lost: then a page is not loaded anew by itself, though it is on another tab or folded
  // away. Only in sight count a text that an editor had, what was searched for, a comment (it is saved), and a choice.
  const typed = new Set();
  const IN_SIGHT = ".editor *, [id$='-search'] *, #vote-comment *, select";
  addEventListener("input", ({ isTrusted, target }) => {
    if (isTrusted && target.matches("textarea, [data-field]") && !BOXES.some((box) => target.matches(box))) typed.add(target);
  }, true);
  const unsaved = (field) => field.isConnected && field.value && (!field.matches(IN_SIGHT) || field.checkVisibility());
  window.ftchatWriting = () => document.querySelector("[data-open]") !== null || [...typed].some(unsaved);

  // ... and the tab that was open: it may take a moment to be there, and who does something first is left alone
  const TAB = "ftchat-tab";
  const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
  let toOpen = reloaded && sessionStorage.getItem(TAB);
  const openAgain = () => {
    const tab = toOpen && document.getElementById(toOpen);
    const onlyLooks = document.querySelector(".only-looks") && !document.querySelector("#tab-leaderboard-button[aria-selected=true]");
    if (!tab || !document.querySelector(".strip") || onlyLooks) return; // who only looks is led to the leaderboard first
    toOpen = null;
    tab.click();
  };
  const settled = () => {
    toOpen = null;
    for (const place of isBack) {
      sessionStorage.removeItem(place);
      toWrite.splice(toWrite.indexOf(place), 1);
    }
    isBack.clear();
  };
  const TABS = "#tabs [role=tab], #tabs .overflow-menu"; // going to another tab does nothing with what is written
  const done = ({ target }) => { if (target.closest?.(TABS)) toOpen = null; else settled(); };
  for (const deed of ["keydown", "pointerdown"]) addEventListener(deed, done, true);
  addEventListener("pagehide", () => {
    settled();
    sessionStorage.setItem(TAB, document.querySelector("#tabs [role=tab][aria-selected=true]")?.id ?? "");
    for (const place of BOXES) {
      const box = document.querySelector(place);
      if (box && box.value) sessionStorage.setItem(place, JSON.stringify([whose(), box.value]));
    }
  });

  // -- after each change of a page: times in local words, and the place in the list --
  const SHAPE = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const [shape, withYear] = [SHAPE, { ...SHAPE, year: "numeric" }].map((one) => new Intl.DateTimeFormat("en-GB", one));
  const local = () => {
    for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(time.getAttribute("datetime"));
      time.dataset.local = "yes";
      if (isNaN(moment)) continue;
      time.title = time.textContent;
      const thisYear = moment.getFullYear() === new Date().getFullYear();
      time.textContent = (thisYear ? shape : withYear).format(moment);
    }
  };
  const emptied = (changes) => { // what a form was filled with has been done, and here
    for (const { target, attributeName } of changes) {
      if (attributeName !== "data-after" || target.dataset.filled !== window.ftchatPressed) continue;
      window.ftchatPressed = "";
      for (const field of target.querySelectorAll("input")) field.value = "";
    }
  };
  let asked = false;
  new MutationObserver((changes) => {
    emptied(changes);
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      local();
      putBack();
      openAgain();
      if (at >= 0 && !items().some((item) => item.classList.contains("current"))) {
        mark(list() && (document.activeElement === document.body || list().contains(document.activeElement)));
      }
    });
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-local", "data-after"] });
})();
