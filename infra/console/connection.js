// Whether events come in: in the header, and where they are shown.

import { byId, say } from './dom.js';

const [connection, text, streamState] = ['connection', 'connection-text', 'stream-state'].map(byId);
let counting;

const seconds = (delay) => (delay < 1000 ? 'now' : `in ${Math.ceil(delay / 1000)} s`);

export function showState(state, { attempt, delay = 0, reason } = {}) {
  clearInterval(counting);
  const was = connection.dataset.state;
  connection.dataset.state = state;
  connection.title = reason ?? '';
  text.textContent = { connecting: 'Connecting…', live: 'Live', off: 'No live events' }[state] ?? '';
  if (state === 'reconnecting') {
    const due = Date.now() + delay;
    const count = () => { text.textContent = `Reconnecting ${seconds(due - Date.now())}`; };
    count();
    counting = setInterval(count, 1000);
  }
  // Between two attempts, and during the next one, the panel says the same.
  const isLost = state === 'reconnecting' || (state === 'connecting' && attempt > 1);
  const isQuiet = !isLost && state !== 'off';
  streamState.hidden = isQuiet || !byId('token-panel').hidden;
  streamState.textContent = state === 'off' ? 'This service has no live events: what you see is what was recorded.'
    : 'Not connected. What happens meanwhile shows up when the connection is back.';
  if (state === 'reconnecting' && was === 'live') say('The connection was lost.');
  if (state === 'live' && attempt > 1) say('Connected again.');
}
