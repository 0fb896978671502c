/** A plugin as a component's export: between the bindings and the SDK's types. */

import { Emissions } from './emit.js';
import { connect } from './host.js';
import { start } from './plugin.js';
import { Refusal } from './refusal.js';
import { Slice } from './slice.js';
import { pack, unpack } from './snapshot.js';
import { Verdict } from './verdict.js';

/**
 * What the component exports as `stage`. Nothing that a plugin throws leaves it: that would be a trap, and the end of the
 * instance.
 * @param {import('./plugin.js').Definition<any>} definition
 * @param {import('./host.js').Calls} host
 * @param {string} [lines] where the lines of the bundle come from, as `build.mjs` writes it
 */
export function stage(definition, host, lines) {
  connect(host);
  /** @type {import('./plugin.js').Plugin | undefined} */
  let plugin;

  /**
   * @template T
   * @param {() => T} call
   */
  function guarded(call) {
    try {
      return { tag: 'ok', val: call() };
    } catch (error) {
      return { tag: 'err', val: describe(error, lines) };
    }
  }

  function running() {
    if (plugin === undefined) {
      throw new Refusal('called before `init`');
    }
    return plugin;
  }

  return {
    /** @param {string} config */
    init: (config) =>
      guarded(() => {
        const started = start(definition, config);
        plugin = started.running;
        return started.requirements.answer(plugin);
      }),

    /** @param {{ signal: import('./requirements.js').Signal, rows: number, groups: Uint8Array, columns: Uint8Array }} given */
    process({ signal, rows, groups, columns }) {
      // Not through `guarded`: this is called for every few rows.
      try {
        const slice = new Slice(signal, rows, columns, groups);
        const verdict = new Verdict(rows, slice);
        running().process(slice, verdict);
        return { tag: 'ok', val: verdict.answer() };
      } catch (error) {
        return { tag: 'err', val: describe(error, lines) };
      }
    },

    flush: () =>
      guarded(() => {
        const out = new Emissions();
        running().flush?.(out);
        return out.answer();
      }),

    /** @param {bigint} now */
    tick: (now) =>
      guarded(() => {
        const out = new Emissions();
        running().tick?.(now, out);
        return out.answer();
      }),

    snapshot: () => guarded(() => pack(running().snapshot?.() ?? [])),

    /** @param {Uint8Array} entries */
    restore: (entries) =>
      guarded(() => {
        const { restore } = running();
        if (restore === undefined) {
          throw new Refusal('the plugin holds nothing: it has no `restore`');
        }
        restore.call(running(), unpack(entries));
      }),
  };
}

/**
 * What was thrown, in words: a refusal as it is, what nobody expected with its stack.
 * @param {unknown} error
 * @param {string} [lines]
 */
export function describe(error, lines) {
  if (error instanceof Refusal) {
    return error.message;
  }
  if (error instanceof Error) {
    const stack = error.stack ? `\n${located(error.stack, lines)}` : '';
    return `${error.name}: ${error.message}${stack}`;
  }
  return `thrown was ${String(error)}`;
}

/**
 * The stack with the places of the sources instead of the bundle's.
 *
 * `lines` has for each file its name, and runs of lines as `bundle,source,count`: `plugin.js 12,1,30 45,31,2;wasmill/text.js …`.
 * @param {string} stack
 * @param {string} [lines]
 */
function located(stack, lines) {
  const runs = (lines ?? '').split(';').flatMap((file) => {
    const [name, ...parts] = file.split(' ');
    return parts.map((part) => ({ name, numbers: part.split(',').map(Number) }));
  });
  return stack
    .split('\n')
    .map((frame) => /^(.*)@(?:.*\/)?plugin\.js:(\d+)/.exec(frame))
    .flatMap((frame) => {
      // Frames of the bindings are nobody's concern.
      if (frame === null) {
        return [];
      }
      const [, name, line] = frame;
      const at = Number(line);
      const run = runs.find(({ numbers: [from = 0, , count = 0] }) => at >= from && at < from + count);
      const [from = 0, source = 0] = run?.numbers ?? [];
      return `  at ${name || '(anonymous)'}${run === undefined ? '' : ` (${run.name}:${source + at - from})`}`;
    })
    .join('\n');
}
