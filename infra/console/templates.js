// The gallery of templates: the tenant's own and the service's, and a new one of an agent.

import { call, Problem } from './api.js';
import { contentOf, withoutEmpty } from './content.js';
import { bones, button, byId, failure, h, say, walk } from './dom.js';
import { refusal } from './risks.js';
import { badges, templatePage } from './template.js';
import { widen } from './views.js';

const PAGE = 100;
/** The most pages that are read: more templates than that are not shown. */
const PAGES_MAX = 10;
const BURST_MS = 300;

const view = byId('gallery-view');
const form = byId('gallery-form');
const [words, tag, whose, reset] = ['gallery-text', 'gallery-tag', 'gallery-whose', 'gallery-reset'].map(byId);
const [list, state, count] = ['gallery', 'gallery-state', 'gallery-count'].map(byId);
const [creation, newName, newAgent, refused] =
  ['template-new', 'template-new-name', 'template-new-agent', 'template-new-refused'].map(byId);

const OWN = 'private';

/** An agent's document as a template's: what looks like a placeholder there is none. */
function escaped(value) {
  if (typeof value === 'string') return value.replace(/\$+(?=\{)/g, (dollars) => dollars + dollars);
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, escaped(member)]));
}

/**
 * `onOpen()` when another template is shown, or the gallery, `onNames()` when names may have changed,
 * `onCreated(agent)` when an agent was made, `onAgent(id)` when one is asked for, `onCount()` when there is another
 * number of templates. `agents()` are those to make a template of, the one that is shown first; `nameOf(id)` names
 * an agent.
 */
export function templatesPanel({ onOpen, onNames, onCreated, onAgent, onCount, agents, nameOf }) {
  const known = new Map();
  /** Names outlive the templates: the timeline tells of those that are gone. */
  const names = new Map();
  let isCut = false;
  let turn = 0;
  let reading;
  let isBusy = false;

  const page = templatePage({
    onClose: showGallery, onCreated, onAgent, nameOf,
    onChanged() {
      onCount();
      load();
    },
    onGone(id) {
      known.delete(id);
      showGallery();
      onCount();
      load();
    },
  });

  function card(template) {
    const { id, name, description, tags, variables, published_version: version } = template;
    const others = tags.slice(1).join(', ');
    const facts = [`${variables} ${variables === 1 ? 'variable' : 'variables'}`,
      version === null ? 'not published' : `version ${version}`, others].filter(Boolean);
    return h('li', {}, button([
      h('span', { class: 'title' }, h('strong', {}, name), ' ', badges(template)),
      h('span', { class: 'about' }, description ?? h('span', { class: 'dim' }, 'No description')),
      h('span', { class: 'dim' }, facts.join(' · ')),
    ], () => open(id), { 'data-template': id, 'data-visibility': template.visibility, class: 'card' }));
  }

  /** What is asked for, and shown: every word occurs somewhere. */
  function matching() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    return [...known.values()].filter(({ name, description, tags, visibility }) => {
      const text = [name, description ?? '', ...tags].join(' ').toLowerCase();
      return wanted.every((word) => text.includes(word)) && (!tag.value || tags.includes(tag.value))
        && (!whose.value || visibility === whose.value);
    });
  }

  function fillTags() {
    const before = tag.value;
    const all = [...known.values()].flatMap(({ tags }) => tags);
    const sorted = [...new Set(all)].sort((one, other) => one.localeCompare(other));
    tag.replaceChildren(h('option', { value: '' }, 'any'), ...sorted.map((name) => h('option', {}, name)));
    tag.value = before;
    if (tag.selectedIndex < 0) tag.value = '';
  }

  function nothing() {
    const isOwn = whose.value === OWN && ![...known.values()].some(({ visibility }) => visibility === OWN);
    return isOwn
      ? h('div', { class: 'state' }, h('p', {}, 'You have no templates of your own.'),
        h('p', {}, 'Press “New template” to make one of an agent.'))
      : h('div', { class: 'state' }, h('p', {}, 'No template is like that.'),
        h('p', {}, 'All words must occur in its name, description or tags.'));
  }

  function render() {
    const focused = document.activeElement?.dataset.template;
    const shown = matching();
    list.replaceChildren(...shown.map(card));
    if (focused) list.querySelector(`[data-template="${focused}"]`)?.focus();
    const number = `${shown.length} ${shown.length === 1 ? 'template' : 'templates'}`;
    count.textContent = isCut ? `${number} of the first ${known.size}` : number;
    reset.hidden = !words.value && !tag.value && !whose.value;
    state.replaceChildren();
    if (!shown.length) state.append(nothing());
  }

  /** Reads all templates. What stands there stays until they came. */
  async function load(isAction = false) {
    const mine = ++turn;
    list.ariaBusy = 'true';
    if (!known.size) state.replaceChildren(bones());
    try {
      const found = [];
      let cursor = null;
      for (let number = 0; number < PAGES_MAX; number += 1) {
        const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
        const options = { isAction: isAction && number === 0 };
        const { items, next_cursor: next } = await call('GET', `/v1/templates?${query}`, options);
        if (mine !== turn) return;
        found.push(...items);
        cursor = next;
        if (!cursor) break;
      }
      isCut = cursor !== null;
      known.clear();
      for (const template of found) {
        known.set(template.id, template);
        names.set(template.id, template.name);
      }
      fillTags();
      render();
      onNames();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== turn) return;
      if (!known.size) count.textContent = '';
      state.replaceChildren(failure(problem, () => load(true)));
    }
    if (mine === turn) list.ariaBusy = 'false';
  }

  function showGallery() {
    const before = page.shown();
    page.close();
    view.hidden = false;
    widen(false);
    if (before) (list.querySelector(`[data-template="${before}"]`) ?? words).focus();
    onOpen();
  }

  /** Shows the gallery as it is now. */
  function openGallery() {
    showGallery();
    load(true);
  }

  function open(id) {
    view.hidden = true;
    const opened = page.open(id);
    onOpen();
    return opened;
  }

  /** Something happened to a template. Such events come in bursts, too. */
  function take({ type, data }) {
    if (data.name) names.set(data.id, data.name);
    clearTimeout(reading);
    reading = setTimeout(() => load(), BURST_MS);
    page.take(type, data);
  }

  function showCreation() {
    const offered = agents();
    newAgent.replaceChildren(...offered.map(({ id, name }) => h('option', { value: id }, name)));
    newName.value = offered[0]?.name ?? '';
    creation.querySelector('.primary').disabled = !offered.length;
    byId('template-new-none').hidden = offered.length > 0;
    refused.replaceChildren();
    creation.hidden = false;
    newName.focus();
    newName.select();
  }

  function hideCreation() {
    creation.hidden = true;
    byId('new-template').focus();
  }

  async function create() {
    if (isBusy) return;
    isBusy = true;
    refused.replaceChildren();
    try {
      const agent = await call('GET', `/v1/agents/${newAgent.value}`);
      const { description, tags } = agent;
      const document = escaped(withoutEmpty(contentOf(agent)));
      const content = { name: newName.value.trim(), description, tags, agent: document };
      const made = await call('POST', '/v1/templates', { body: withoutEmpty(content), isAction: true });
      creation.hidden = true;
      names.set(made.id, made.name);
      say('Created. Publish it, and agents can be made from it.');
      onCount();
      load();
      open(made.id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refused.replaceChildren(refusal(problem));
    } finally {
      isBusy = false;
    }
  }

  /** Forgets everything: another tenant's templates are next. */
  function clear() {
    turn += 1;
    clearTimeout(reading);
    known.clear();
    names.clear();
    form.reset();
    page.clear();
    view.hidden = false;
    creation.hidden = true;
    for (const place of [list, state]) place.replaceChildren();
    count.textContent = '';
  }

  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', render);
  reset.addEventListener('click', () => {
    form.reset();
    render();
    words.focus();
  });
  words.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    list.querySelector('button')?.focus();
  });
  list.addEventListener('keydown', walk);
  byId('new-template').addEventListener('click', showCreation);
  byId('template-new-cancel').addEventListener('click', hideCreation);
  newAgent.addEventListener('change', () => { newName.value = newAgent.selectedOptions[0]?.textContent ?? ''; });
  creation.addEventListener('submit', (event) => {
    event.preventDefault();
    create();
  });
  creation.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    hideCreation();
  });
  return { load, open, openGallery, take, clear, shown: page.shown, known: (id) => known.get(id),
    nameOf: (id) => names.get(id) ?? id };
}
