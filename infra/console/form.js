// The middle panel: one agent's content as a form or as JSON, and what can be done with the agent.

import { aliasesPanel } from './aliases.js';
import { call, Problem } from './api.js';
import { ask, answer, isAsking } from './ask.js';
import { contentOf, withoutEmpty } from './content.js';
import { bones, button, byId, code, failure, h, say, time } from './dom.js';
import { driftPanel } from './drift.js';
import { madeFrom, published, showRetiring } from './facts.js';
import { formFields } from './fields.js';
import { showHistory } from './history.js';
import { afterRemoval, difference, isSame, merged, patched } from './patch.js';
import { refusal } from './risks.js';
import { versionsPanel } from './versions.js';
import { tabs } from './views.js';

const MERGE_PATCH = 'application/merge-patch+json';
const VIEWS = ['form', 'json', 'versions', 'aliases', 'template', 'history'];
/** Those that show what the form holds. */
const TEXTS = ['form', 'json'];

const form = byId('agent-form');
const [editor, nothing, title, status, facts] =
  ['editor', 'no-agent', 'agent-title', 'agent-status', 'agent-facts'].map(byId);
const [conflict, banner, unplaced, fixAll] = ['conflict', 'problem', 'unplaced', 'fix-all'].map(byId);
const [frozen, json, jsonError] = ['frozen', 'f-json', 'json-error'].map(byId);
const invitation = [...nothing.childNodes];

/**
 * `onAgent(agent)` when the agent was created or changed here, `onGone(id)` when it was deleted here,
 * `onOpen(id)` when another one is shown, or none, `onAsked()` when another user was asked for something,
 * `onApprovals(id)` when an approval is to be shown, `onTemplate(id)` when a template is. `templateOf(id)` is what
 * is known of one.
 */
export function agentEditor({ onAgent, onGone, onOpen, onAsked, onApprovals, onTemplate, templateOf }) {
  /** The agent as the service told it last; null while there is none yet, or nothing is shown. */
  let base = null;
  /** What the form holds; null while it shows nothing. */
  let content = null;
  /** What a new agent starts from. */
  let blank = {};
  let violations = [];
  let isBusy = false;
  /** The id of the agent that is shown or about to be; empty for a new one. */
  let wanted;
  /** Counts what was asked to be shown: an answer to an earlier wish comes too late. */
  let turn = 0;
  const fields = formFields(form, (at) => {
    // What was said about a field is not about its new text.
    violations = violations.filter((known) => fields.slotOf(known.pointer) !== at);
    placeViolations();
    showFacts();
  });

  const isDirty = () => content !== null && !isSame(content, base ? contentOf(base) : blank);
  const isArchived = () => base?.status === 'archived';

  // Showing

  function showFacts() {
    const about = base && [code(base.id), `rev ${base.rev}`, base.key && ['key ', code(base.key)],
      ['changed ', time(base.updated_at), ` by ${base.updated_by}`], published(base),
      madeFrom(base, templateOf(base.template?.id), () => showView('template'))];
    const parts = (about ?? ['Only a name and a model are needed.']).filter(Boolean);
    facts.replaceChildren(...parts.map((part) => h('span', {}, part)));
    byId('agent-unsaved').textContent = isDirty() ? 'not saved' : '';
    byId('save').hidden = isArchived() || (!isText() && !isDirty());
    byId('discard').hidden = !isDirty() && base !== null;
    byId('discard').textContent = base ? 'Discard changes' : 'Cancel';
    showRetiring(base, content?.config?.model, !isArchived() && useModel);
  }

  /** Puts another model into the form; its settings stay. */
  function useModel(model) {
    content.config = { ...content.config, model: { ...content.config.model, ...model } };
    showText();
    showFacts();
    say('It stands in the form. Save to keep it.');
    byId('save').focus();
  }

  function showText() {
    fields.fill(content);
    json.value = JSON.stringify(content, null, 2);
    jsonError.hidden = true;
  }

  function placeViolations() {
    unplaced.replaceChildren();
    fields.place(violations, unplaced, views.shown() === 'form', fix);
    const fixable = violations.filter((violation) => violation.fix?.length);
    fixAll.textContent = `Apply all ${fixable.length} fixes`;
    fixAll.hidden = fixable.length < 2;
    if (!violations.length && banner.dataset.of === 'violations') banner.hidden = true;
  }

  function render() {
    const isNew = base === null;
    nothing.hidden = content !== null;
    editor.hidden = content === null;
    conflict.hidden = true;
    banner.hidden = true;
    if (content === null) return;
    title.textContent = isNew ? 'New agent' : base.name;
    status.textContent = isNew ? '' : base.status;
    status.className = `badge ${isNew ? '' : base.status}`;
    byId('view-form').disabled = isArchived();
    json.readOnly = isArchived();
    frozen.hidden = !isArchived();
    byId('save').textContent = isNew ? 'Create' : 'Save';
    byId('archive').hidden = isNew || isArchived();
    byId('restore').hidden = !isArchived();
    byId('publish').hidden = isNew || isArchived();
    for (const id of ['duplicate', 'delete', 'tab-versions', 'tab-aliases', 'tab-history']) byId(id).hidden = isNew;
    byId('tab-template').hidden = !base?.template;
    if ((isNew && !isText()) || (!base?.template && views.shown() === 'template')) views.show('form');
    showText();
    placeViolations();
    showFacts();
    showView();
  }

  const isText = () => TEXTS.includes(views.shown());

  function showView(name = views.shown()) {
    views.show(name);
    form.hidden = !isText();
    showFacts();
    if (name !== 'versions') versions.close();
    if (name === 'versions') versions.show(base);
    if (name === 'aliases') aliases.show(base);
    else if (base) aliases.follow(base);
    if (name === 'template') drift.show(base);
    if (name === 'history') showHistory(base.id);
  }

  /** Brings the form back, where what is said about the text can be seen. */
  function showForm() {
    if (!isText()) showView('form');
  }

  /** Shows an agent as the service told it. */
  function set(agent, isMoved = true) {
    base = agent;
    content = contentOf(agent);
    violations = [];
    render();
    if (isMoved) form.scrollTo(0, 0);
  }

  /** Takes over a newer state. What was changed here and not saved now stands on that. */
  function adopt(agent, isReplaced = false) {
    const isSameText = base?.status === agent.status && isSame(contentOf(agent), contentOf(base));
    if (isSameText && !isReplaced) {
      // Somebody may be typing: the text is left alone.
      base = agent;
      return showView();
    }
    const mine = !isReplaced && isDirty() && difference(contentOf(base), content);
    set(agent, false);
    if (!mine) return undefined;
    content = merged(content, mine);
    return render();
  }

  function close(...message) {
    wanted = undefined;
    versions.clear();
    aliases.clear();
    drift.clear();
    base = null;
    content = null;
    render();
    nothing.replaceChildren(...(message.length ? message : invitation));
    onOpen(undefined);
  }

  // Questions, refusals, conflicts

  const hasUnsaved = () => isDirty() || aliases.isDirty();
  const isIdle = () => wanted === undefined && byId('token-panel').hidden;

  async function mayLeave() {
    return !hasUnsaved() || ask('There are changes that are not saved.', 'Discard them');
  }

  function refused(problem) {
    showForm();
    violations = problem.errors;
    banner.dataset.of = violations.length ? 'violations' : 'problem';
    const request = problem.requestId && h('span', { class: 'dim' }, ' Request ', code(problem.requestId));
    byId('problem-text').replaceChildren(h('strong', {}, `${problem.title}. `), problem.message, request || '');
    banner.hidden = false;
    placeViolations();
    const first = form.querySelector('[aria-invalid="true"]');
    if (first) first.focus();
    else banner.scrollIntoView({ block: 'nearest' });
  }

  /** Applies the fixes of violations, in the order in which the service listed them. */
  function fix(wanted) {
    for (const violation of wanted.filter((known) => known.fix?.length)) {
      try {
        content = patched(content, violation.fix);
      } catch (error) {
        say(`This fix does not fit what stands there now. ${error.message}`);
        continue;
      }
      violations = violations.filter((known) => known !== violation);
      for (const { op, path } of violation.fix) if (op === 'remove') moveUp(path);
      say('Mended here. Save to keep it.');
    }
    showText();
    placeViolations();
    showFacts();
    byId('save').focus();
  }

  /** An item has left a list: what is said about those behind it is about other places now. */
  function moveUp(gone) {
    for (const known of violations) {
      known.pointer = afterRemoval(known.pointer, gone);
      const steps = known.fix?.map((step) => ({ ...step, path: afterRemoval(step.path, gone) }));
      known.fix = steps?.filter((step) => step.path !== null);
    }
    violations = violations.filter((known) => known.pointer !== null);
  }

  /** Someone else was faster. Nothing is lost until the reader says so. */
  function showConflict(...told) {
    conflict.replaceChildren(h('p', {}, told), h('p', { class: 'choices' },
      button('Reload, and lose my text', () => resolve(false), { id: 'reload' }),
      button('Keep my text', () => resolve(true), { id: 'keep' })));
    conflict.hidden = false;
    conflict.scrollIntoView({ block: 'nearest' });
  }

  /** Takes over the newest state, with or without what was changed here since the last one. */
  function resolve(isKept) {
    return run(async () => {
      const latest = await call('GET', `/v1/agents/${base.id}`, { isAction: true });
      const mine = difference(contentOf(base), content);
      set(latest, !isKept);
      onAgent(latest);
      if (!isKept) return say(`Reloaded: this is rev ${latest.rev}.`);
      content = merged(content, mine);
      render();
      say(`Your text now stands on rev ${latest.rev}. Save to keep it.`);
    });
  }

  // Actions

  /** One action at a time. What it is refused for is shown. */
  async function run(action, onRefused = showRefusal) {
    if (isBusy) return;
    isBusy = true;
    editor.ariaBusy = 'true';
    const mine = turn;
    try {
      await action();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) await onRefused(problem);
    } finally {
      isBusy = false;
      editor.ariaBusy = 'false';
    }
  }

  function showRefusal(problem) {
    if (problem.status !== 412) return refused(problem);
    showForm();
    return showConflict(h('strong', {}, 'Someone else has changed this agent. '),
      `You began with rev ${base.rev}, which is not the newest any more, so nothing was done.`);
  }

  function changed(agent, isReplaced) {
    adopt(agent, isReplaced);
    onAgent(agent);
  }

  /** Reads the agent after it was changed in another view, or another user was asked to. */
  async function reread(approval) {
    changed(await call('GET', path()));
    if (approval) onAsked();
  }

  /** As `run`, for the other views: what the action is refused for stands in `place`. */
  function attempt(action, place, shown = refusal) {
    place.replaceChildren();
    return run(action, async (problem) => {
      if (problem.status === 412) await reread().catch(() => {});
      place.replaceChildren(problem.status !== 412 ? shown(problem) : h('div', { class: 'notice', role: 'alert' },
        h('p', {}, h('strong', {}, 'Someone else has changed this agent, so nothing was done. '),
          `This is how it is now, at rev ${base.rev}. Try again if it still fits.`)));
      place.scrollIntoView({ block: 'nearest' });
    });
  }

  const path = () => `/v1/agents/${base.id}`;
  const post = (to, body) => call('POST', to, { body, isAction: true });

  function patch() {
    const body = difference(contentOf(base), content);
    return call('PATCH', path(), { body, type: MERGE_PATCH, rev: base.rev, isAction: true });
  }

  function save() {
    if (!jsonError.hidden) return json.focus();
    if (base && !isDirty()) return say('There is nothing to save.');
    return run(async () => {
      const said = base ? 'Saved.' : 'Created.';
      done(base ? await patch() : await post('/v1/agents', withoutEmpty(content)), said);
    });
  }

  function done(agent, said) {
    const isOther = agent.id !== base?.id;
    wanted = agent.id;
    set(agent, isOther);
    onAgent(agent);
    if (isOther) onOpen(agent.id);
    say(said);
  }

  /** Duplicate, archive or restore: none takes what stands in the form with it. */
  function act(verb, said) {
    return run(async () => {
      if (await mayLeave()) done(await post(`${path()}/${verb}`, {}), said);
    });
  }

  function erase() {
    return run(async () => {
      if (!await ask(`Delete “${base.name}” for good?`, 'Delete')) return;
      const { id, name, rev } = base;
      await call('DELETE', path(), { rev, isAction: true });
      onGone(id);
      close(h('p', {}, `“${name}” was deleted.`), ...invitation);
    });
  }

  /** Reads an agent and shows it, unless what is not saved is to stay. */
  async function open(id) {
    if (id === wanted || isBusy || !await mayLeave()) return;
    turn += 1;
    const mine = turn;
    close(bones());
    wanted = id;
    onOpen(id);
    try {
      const agent = await call('GET', `/v1/agents/${id}`, { isAction: true });
      if (mine === turn) set(agent);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) close(failure(problem, problem.status !== 404 && (() => open(id))));
    }
  }

  async function create() {
    if (isBusy || !await mayLeave()) return;
    turn += 1;
    close();
    wanted = '';
    content = structuredClone(blank);
    violations = [];
    views.show('form');
    render();
    byId('f-name').focus();
  }

  function discard() {
    if (base) set(base);
    else close();
  }

  // What happens elsewhere

  /** A newer state of an agent. It replaces what is shown, unless that was changed here. */
  function remote(agent) {
    if (isBusy || agent.id !== base?.id || agent.rev <= base.rev) return;
    if (isDirty() && !isSame(contentOf(agent), contentOf(base))) {
      const told = h('strong', {}, `${agent.updated_by} has changed this agent since. `);
      showConflict(told, `It is at rev ${agent.rev} now.`);
    } else {
      adopt(agent);
      say(`Changed by ${agent.updated_by}: this is rev ${agent.rev}.`);
    }
  }

  function gone(id) {
    if (isBusy || id !== base?.id) return;
    const { name } = base;
    if (!isDirty()) return close(h('p', {}, `“${name}” was deleted.`), ...invitation);
    wanted = '';
    base = null;
    render();
    onOpen(undefined);
    say(`“${name}” was deleted. Your text is still here, as a new agent.`);
  }

  /** Models to choose from, and with them what a new agent starts as. */
  function offer(models) {
    fields.offer(models);
    const usual = models.find((model) => model.admitted);
    const model = usual && { provider: usual.provider, id: usual.id };
    blank = { name: '', description: null, tags: [], metadata: {}, config: { model } };
    if (content) fields.fill(content);
  }

  /** Forgets everything: another tenant's agents are next. */
  function clear() {
    turn += 1;
    isBusy = false;
    answer(false);
    close();
  }

  /** What is known of templates is more than it was, or one has changed: `isNews` says that it may be this one. */
  function renamed(isNews) {
    if (base?.template) showFacts();
    if (isNews) drift.reread();
    if (isNews && base?.template && views.shown() === 'template') drift.show(base);
  }

  /** Shows two versions of an agent side by side. */
  async function compare(id, from, to) {
    await open(id);
    if (base?.id !== id) return;
    showView('versions');
    await versions.compare(from, to);
  }

  // Wiring

  const views = tabs(VIEWS, (name) => {
    if (!jsonError.hidden) return json.focus();
    if (content) json.value = JSON.stringify(content, null, 2);
    showView(name);
    return placeViolations();
  });
  const shared = {
    attempt, reread, changed, ask, onApprovals, isUnsaved: isDirty, mend: refused,
    mayLeave: async () => !isDirty() || ask('There are changes that are not saved.', 'Discard them'),
  };
  const versions = versionsPanel(shared);
  const aliases = aliasesPanel({ ...shared, onPublish: () => byId('publish').click() });
  const drift = driftPanel({ ...shared, onTemplate });
  byId('publish').addEventListener('click', () => {
    if (!jsonError.hidden) return json.focus();
    showView('versions');
    return versions.publish();
  });

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    save();
  });
  json.addEventListener('input', () => {
    try {
      const read = JSON.parse(json.value);
      if (typeof read !== 'object' || read === null || Array.isArray(read)) throw new Error('It must be an object.');
      content = read;
      violations = [];
      fields.fill(content);
      placeViolations();
      showFacts();
      jsonError.hidden = true;
    } catch (error) {
      jsonError.textContent = `This is not JSON yet: ${error.message}`;
      jsonError.hidden = false;
    }
  });
  fixAll.addEventListener('click', () => fix(violations));
  byId('discard').addEventListener('click', discard);
  byId('duplicate').addEventListener('click', () => act('duplicate', 'This is the copy.'));
  byId('archive').addEventListener('click', () => act('archive', 'Archived. It does not count any more.'));
  byId('restore').addEventListener('click', () => act('restore', 'Restored.'));
  byId('delete').addEventListener('click', erase);
  addEventListener('keydown', async (event) => {
    // It may be hidden behind something else.
    if (!editor.checkVisibility()) return;
    if (event.key === 's' && (event.ctrlKey || event.metaKey) && content && !form.hidden) {
      event.preventDefault();
      save();
    }
    if (event.key !== 'Escape') return;
    if (isAsking()) answer(false);
    else if (content && (!base || isDirty()) && !isBusy && await mayLeave()) discard();
  });
  addEventListener('beforeunload', (event) => { if (hasUnsaved()) event.preventDefault(); });
  return { open, create, compare, remote, gone, offer, renamed, clear, mayLeave, hasUnsaved, isIdle,
    shown: () => base };
}
