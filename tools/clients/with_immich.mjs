// SPDX-License-Identifier: Apache-2.0
//
// What Immich's server does with its machine learning URL, with the same means (Node's fetch, FormData and Blob), against
// a running server. usage: node with_immich.mjs [http://127.0.0.1:7997] [MODEL NAME OF IMMICH]
// SIMILE names the program (default: simile), SIMILE_MODEL the model behind that name, SIMILE_GALLERY its pictures.
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const url = process.argv[2] ?? 'http://127.0.0.1:7997';
const modelName = process.argv[3] ?? 'ViT-B-32__openai';
const simile = process.env.SIMILE ?? 'simile';
const model = process.env.SIMILE_MODEL ?? 'simile-scenes';
const picture = `${process.env.SIMILE_GALLERY ?? 'gallery'}/a-red-car-on-the-road-1.jpg`;
let failures = 0;

function check(name, good, detail = '') {
  failures += !good;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${name}${detail === '' ? '' : ': ' + detail}`);
}

function embed(kind, what) {
  const words = ['embed', '--model', model, '--via', 'direct', '--no-orient', '--normalize', kind, what];
  return JSON.parse(spawnSync(simile, words, { encoding: 'utf8' }).stdout).embedding;
}

async function predict(entries, add) {
  const form = new FormData();
  form.append('entries', JSON.stringify(entries));
  add(form);
  const response = await fetch(new URL('/predict', url), { method: 'POST', body: form });
  return { status: response.status, body: await response.json() };
}

function same(name, text, expected) {
  const vector = JSON.parse(text);
  const worst = Math.max(...vector.map((x, i) => Math.abs(x - expected[i])));
  check(name, typeof text === 'string' && vector.length === expected.length && worst <= 1e-6, `largest difference ${worst}`);
}

const bytes = new Uint8Array(await readFile(picture));
const addImage = (form) => form.append('image', new Blob([bytes]));
const ping = await fetch(new URL('/ping', url), { signal: AbortSignal.timeout(2000) });
check('ping', ping.ok && (await ping.text()) === 'pong');
let answer = await predict({ clip: { visual: { modelName } } }, addImage);
same('encodeImage', answer.body.clip, embed('--image', picture));
check('size', answer.body.imageHeight > 0 && answer.body.imageWidth > 0, `${answer.body.imageWidth} x ${answer.body.imageHeight}`);
for (const language of ['en', 'de', 'en-null', undefined]) {
  answer = await predict({ clip: { textual: { modelName, options: { language } } } }, (form) => form.append('text', 'a red car'));
  same(`encodeText, language ${language}`, answer.body.clip, embed('--text', 'a red car'));
}
answer = await predict({ 'facial-recognition': { detection: { modelName: 'buffalo_l', options: { minScore: 0.7 } }, recognition: { modelName: 'buffalo_l' } } }, addImage);
check('detectFaces is refused', answer.status === 501, answer.body.detail);
answer = await predict({ ocr: { detection: { modelName: 'PP-OCRv5_mobile', options: {} }, recognition: { modelName: 'PP-OCRv5_mobile', options: {} } } }, addImage);
check('ocr is refused', answer.status === 501, answer.body.detail);
answer = await predict({ clip: { textual: { modelName: 'ViT-H-14__nobody' } } }, (form) => form.append('text', 'x'));
check('unknown model is refused', answer.status === 404, answer.body.detail);
process.exit(failures ? 1 : 0);
