// A real browser, driven by lines: each on standard input is the JSON string of a URL to open in a fresh profile, each on standard
// output the JSON that the page handed to `report(value)`. The first line is {"ready": VERSION}.
//
// Argument: the browser's program. It and its temporary files are gone when standard input ends, so that neither outlives a test.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const entry = path.join(process.env.PORTCULLIS_TEST_NODE_MODULES, 'playwright-core', 'index.mjs');
const { chromium } = await import(pathToFileURL(entry));

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-test-browser-'));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: ['--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server'],
  env: { ...process.env, TMPDIR: folder, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
});
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

async function visit(url) {
  // The gateways of tests have certificates of their own making.
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`${url}: ${error}`));
  let resolve;
  const reported = new Promise((first) => (resolve = first));
  await page.exposeFunction('report', resolve);
  await page.goto(url);
  const value = await reported;
  await context.close();
  return value;
}

// Also in the middle of a visit.
process.stdin.on('end', async () => {
  await browser.close();
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});

say({ ready: browser.version() });
for await (const line of readline.createInterface({ input: process.stdin })) say(await visit(JSON.parse(line)));
