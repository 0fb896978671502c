/**
 * Builds a plugin: bundles it with the SDK, and makes the bundle a component.
 *
 *     node wasmill/build.mjs [--wit wasmill/wit/plugin.wit] [--out plugin.wasm] [--entry plugin.js]
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const sdk = dirname(fileURLToPath(import.meta.url));
const project = dirname(sdk);

const { values: options } = parseArgs({
  options: {
    wit: { type: 'string', default: resolve(sdk, 'wit/plugin.wit') },
    out: { type: 'string', default: resolve(project, 'plugin.wasm') },
    entry: { type: 'string' },
  },
});

/** What the engine comes with, and a plugin may not use: there is no network, no time but the host's, and no terminal. */
const DISABLED = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];

async function build() {
  const entry = options.entry ? resolve(options.entry) : entryOf(project);
  const wit = await readFile(options.wit, 'utf8');
  const { build: bundle } = await tool('esbuild');
  const { componentize } = await tool('@bytecodealliance/componentize-js');
  const made = await bundle({
    stdin: { contents: main(entry), resolveDir: project, sourcefile: 'stage.js' },
    absWorkingDir: project,
    outfile: 'plugin.js',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2023',
    charset: 'utf8',
    sourcemap: 'external',
    external: ['wasmill:*'],
    logLevel: 'silent',
  }).catch((error) => {
    throw new Error(messages(error));
  });
  const map = made.outputFiles.find((file) => file.path.endsWith('.map'));
  const code = made.outputFiles.find((file) => file.path.endsWith('.js'));
  const source = code.text.replace(LINES, JSON.stringify(lines(JSON.parse(map.text))).slice(1, -1));
  const { component } = await componentize(source, {
    sourceName: 'plugin.js',
    witWorld: wit,
    worldName: 'plugin',
    disableFeatures: DISABLED,
  });
  await mkdir(dirname(resolve(options.out)), { recursive: true });
  await writeFile(options.out, component);
}

/** What is replaced by the table of lines, which is known when the bundle is made. */
const LINES = '@lines@';

/** The component's own file: the plugin, given to the SDK with the host's functions. */
function main(entry) {
  const path = (file) => JSON.stringify(`./${relative(project, file).replaceAll('\\', '/')}`);
  return `
    import * as host from 'wasmill:plugin/host@0.1.0';
    import { find } from 'wasmill:plugin/lookup@0.1.0';
    import { add, get, put } from 'wasmill:plugin/state@0.1.0';
    import plugin from ${path(entry)};
    import { stage as make } from ${path(resolve(sdk, 'guest.js'))};
    export const stage = make(plugin, { ...host, find, get, put, add }, '${LINES}');
  `;
}

function entryOf(directory) {
  const found = ['plugin.ts', 'plugin.js'].map((name) => resolve(directory, name)).find((file) => existsSync(file));
  if (found === undefined) {
    throw new Error(`no plugin in ${directory}: expected \`plugin.js\` or \`plugin.ts\``);
  }
  return found;
}

async function tool(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') {
      throw error;
    }
    // What it needs itself may be missing too: the message says which package.
    throw new Error(`\`${name}\` is not installed: run \`npm install\` in ${project} (${error.message})`);
  }
}

/** A failed bundle's messages: file, line, column, what is wrong. */
function messages(error) {
  return (error.errors ?? [{ text: error.message }])
    .map(({ text, location }) =>
      location ? `${location.file}:${location.line}:${location.column + 1}: ${text}\n    ${location.lineText}` : text,
    )
    .join('\n');
}

/**
 * A source map as `guest.js` reads it: for each file the runs of lines that follow each other there and in the bundle.
 */
function lines({ sources, mappings }) {
  const files = sources.map(() => []);
  let source = 0;
  let sourceLine = 0;
  mappings.split(';').forEach((segments, line) => {
    let first;
    for (const segment of segments.split(',').filter(Boolean)) {
      const [, file = 0, down = 0] = decode(segment);
      source += file;
      sourceLine += down;
      first ??= { source, sourceLine };
    }
    if (first === undefined) {
      return;
    }
    // Lines count from 1 in a stack.
    const runs = files[first.source];
    const [from, begin, count] = runs.at(-1) ?? [0, 0, 0];
    if (line + 1 - from === count && first.sourceLine + 1 - begin === count) {
      runs.at(-1)[2]++;
    } else {
      runs.push([line + 1, first.sourceLine + 1, 1]);
    }
  });
  return sources.map((name, at) => [name.replaceAll(/[ ;]/g, '_'), ...files[at].map(String)].join(' ')).join(';');
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of a source map's segment: base 64, five bits each, the lowest first, the sign in the lowest bit. */
function decode(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if ((digit & 32) === 0) {
      numbers.push(value % 2 === 1 ? -Math.floor(value / 2) : value / 2);
      value = 0;
      shift = 0;
    }
  }
  return numbers;
}

try {
  await build();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
