// One alias: which versions its conversations get, whether it is paused, and its policy.

import { button, h, say } from './dom.js';
import { patched } from './patch.js';
import { isSamePolicy, policyEditor } from './policy.js';
import { inPercents, routesText, withRoute, withShare, withoutRoute } from './shares.js';

const ROUTES_MAX = 10;
/** What a version that is added gets at first, in percent. */
const FIRST_SHARE = 10;

const newestFirst = (routes) => [...routes].sort((one, other) => other.version - one.version);
const sortedText = (routes) => JSON.stringify(newestFirst(routes).map(({ version, weight }) => [version, weight]));

/**
 * `put(document, said, place, mend)` writes the alias, `remove(name, place)` deletes it, `versions()` are those
 * to choose from, `nameOf(version)` is one's name in a few words.
 */
export function aliasCard(name, { put, remove, versions, nameOf }) {
  /** The alias as the service told it last. */
  let saved;
  /** What stands here: routes as they were saved until one is touched, then in whole percents. */
  let routes = [];
  let policy = {};
  let isArchived = false;
  /** The shares before a slider began to move: the others keep their proportion to each other. */
  let before = null;

  const id = (part) => `alias-${name}-${part}`;
  const status = h('span', { class: 'badge suspended' });
  const list = h('ol', { class: 'routes' });
  const [notices, refused] = [h('div', { class: 'notices' }), h('div', { class: 'notices' })];
  const editor = policyEditor(name, (wanted) => {
    policy = wanted;
    mark();
  });
  const named = (kind) => ({ class: kind, 'data-alias': name });
  const pause = button('', () => put({ ...written(saved), paused: !saved.paused },
    `${name} is ${saved.paused ? 'resumed' : 'paused'}.`, refused, mend), named('pause'));
  const erase = name !== 'live' && button('Delete', () => remove(name, refused), named('danger delete-alias'));
  const add = button('Add a version', addRoute, { class: 'add-route' });
  const save = button(`Save ${name}`, () => put(written({ routes, policy, paused: saved.paused }),
    `${name} is saved.`, refused, mend), named('primary save-alias'));
  const discard = button('Discard', () => fill(saved), { class: 'discard-alias' });
  const element = h('section', { class: 'card alias', 'data-alias': name, 'aria-labelledby': id('title') },
    h('div', { class: 'title' }, h('h3', { id: id('title') }, name), status, h('span', { class: 'gap' }), pause,
      erase),
    notices, list, editor.element, refused, h('p', { class: 'choices' }, add, save, discard));

  /** An alias as it is sent: by version, as the service has it, so that its fixes mean the same routes. */
  const written = ({ routes: wanted, paused: isPaused, policy: rules }) => ({
    routes: newestFirst(wanted).reverse().map(({ version, weight }) => ({ version, weight })),
    paused: isPaused, policy: rules,
  });

  const isDirty = () => saved !== undefined
    && (sortedText(routes) !== sortedText(saved.routes) || !isSamePolicy(policy, saved.policy));

  function mark() {
    save.hidden = !isDirty();
    discard.hidden = !isDirty();
    add.hidden = isArchived || routes.length >= ROUTES_MAX || !unused().length;
    pause.textContent = saved.paused ? 'Resume' : 'Pause';
    pause.hidden = isArchived;
    if (erase) erase.hidden = isArchived;
    status.textContent = saved.paused ? 'paused' : '';
  }

  /** Versions that no route leads to yet, newest first. */
  const unused = () => versions().filter((version) => !routes.some((route) => route.version === version));

  function choose(index) {
    const { version } = routes[index];
    const offered = [...new Set([version, ...unused()])].sort((one, other) => other - one);
    const change = () => {
      routes = routes.map((route, at) => (at === index ? { ...route, version: Number(select.value) } : route));
      show();
      list.children[index].querySelector('select').focus();
    };
    const label = `Version of route ${index + 1}`;
    const select = h('select', { class: 'route-version', 'aria-label': label, disabled: isArchived, change },
      offered.map((one) => h('option', { value: one }, nameOf(one))));
    select.value = String(version);
    return select;
  }

  function slide(index, wanted) {
    before ??= inPercents(routes);
    routes = withShare(before, index, wanted);
    showShares();
    mark();
  }

  function row({ version }, index) {
    const range = h('input', { type: 'range', class: 'share', min: 1, max: 100 - (routes.length - 1), step: 1,
      'aria-label': `Share of version ${version}, in percent`, 'data-version': version, disabled: isArchived,
      input: () => slide(index, Number(range.value)), change: () => { before = null; } });
    return h('li', { 'data-version': version }, choose(index), routes.length > 1 && range,
      h('output', { class: 'percent' }),
      routes.length > 1 && !isArchived && button('×', () => removeRoute(index),
        { class: 'remove-route', 'aria-label': `Take version ${version} out`, title: 'Take it out' }));
  }

  /** Shows the shares, and leaves the sliders that show them in place. */
  function showShares() {
    inPercents(routes).forEach(({ weight }, index) => {
      const range = list.children[index].querySelector('.share');
      if (range) range.value = weight;
      range?.setAttribute('aria-valuetext', `${weight} percent`);
      list.children[index].querySelector('output').textContent = `${weight} %`;
    });
  }

  function show() {
    before = null;
    list.replaceChildren(...routes.map(row));
    showShares();
    mark();
  }

  function addRoute() {
    const [newest] = unused();
    routes = newestFirst(withRoute(inPercents(routes), newest, FIRST_SHARE));
    show();
    list.querySelector(`.share[data-version="${newest}"]`).focus();
  }

  function removeRoute(index) {
    routes = withoutRoute(routes, index);
    show();
    list.children[Math.min(index, routes.length - 1)].querySelector('select').focus();
  }

  /** Applies the fixes of violations to what stands here. */
  function mend(violations) {
    try {
      let mended = written({ routes, policy, paused: saved.paused });
      for (const { fix } of violations) mended = patched(mended, fix);
      routes = inPercents(newestFirst(mended.routes));
      ({ policy = {} } = mended);
      refused.replaceChildren();
      show();
      editor.fill(policy);
      say(isDirty() ? 'Mended here. Save to keep it.' : 'Mended: it is as it was saved.');
      (save.hidden ? add : save).focus();
    } catch (error) {
      say(`This fix does not fit what stands there now. ${error.message}`);
    }
  }

  function fill(alias) {
    routes = newestFirst(alias.routes);
    ({ policy } = alias);
    notices.replaceChildren();
    refused.replaceChildren();
    show();
    editor.fill(policy, isArchived);
  }

  /** Follows the alias. What was changed here stays until its reader says otherwise. */
  function update(alias, isReadOnly) {
    const wasDirty = isDirty();
    const isNews = !saved || sortedText(alias.routes) !== sortedText(saved.routes)
      || !isSamePolicy(alias.policy, saved.policy);
    const isSame = !isNews && alias.paused === saved.paused && isReadOnly === isArchived;
    saved = alias;
    isArchived = isReadOnly;
    if (isSame || (wasDirty && isDirty())) {
      // A slider that is being moved stays what it is.
      if (!list.contains(document.activeElement)) show();
      mark();
    } else {
      fill(alias);
    }
    if (!isNews || !isDirty()) return;
    notices.replaceChildren(h('div', { class: 'notice', role: 'alert' },
      h('p', {}, h('strong', {}, `${name} has changed since. `), `It leads to ${routesText(alias.routes)} now.`),
      h('p', { class: 'choices' }, button('Take that, and lose mine', () => fill(saved), { class: 'take-alias' }),
        button('Keep mine', () => notices.replaceChildren()))));
  }

  const tell = (...inside) => notices.replaceChildren(...inside);
  return { element, update, isDirty, tell, reset: () => fill(saved) };
}

