// The views of the agent: tabs, of which one is shown; and views that take the whole width.

import { byId } from './dom.js';

/** `onChoose(name)` when a tab is chosen: whoever made the tabs shows it, or does not. */
export function tabs(names, onChoose) {
  let shown = names[0];
  const tab = (name) => byId(`tab-${name}`);

  function show(name) {
    shown = name;
    for (const known of names) {
      byId(`view-${known}`).hidden = known !== name;
      tab(known).ariaSelected = String(known === name);
      tab(known).tabIndex = known === name ? 0 : -1;
    }
  }

  byId('tabs').addEventListener('click', ({ target }) => {
    if (target.id.startsWith('tab-')) onChoose(target.id.slice('tab-'.length));
  });
  byId('tabs').addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const offered = names.filter((name) => !tab(name).hidden);
    const next = step && tab(offered.at((offered.indexOf(shown) + step) % offered.length));
    next?.focus();
    next?.click();
  });
  return { show, shown: () => shown };
}

const toggles = [];

/** Gives the middle the whole width, or takes it back. */
export function widen(isFull) {
  document.body.toggleAttribute('data-full', isFull);
  for (const toggle of toggles) toggle.ariaPressed = String(isFull);
}

/** Makes a button one that does that. */
export function widener(toggle) {
  toggles.push(toggle);
  toggle.addEventListener('click', () => widen(toggle.ariaPressed !== 'true'));
  return toggle;
}
