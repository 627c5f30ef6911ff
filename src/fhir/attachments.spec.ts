import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rewriteAttachments, type FoundAttachment } from './attachments.js';

function foundIn(text: string): FoundAttachment[] {
  const found: FoundAttachment[] = [];
  expect(rewriteAttachments(text, (one) => void found.push(one))).toBe(text);
  return found;
}

describe('attachments of a resource', () => {
  it('are found wherever R4 has them, with what their sender says of them', () => {
    const text = `{"resourceType":"DocumentReference","content":[{"attachment":{ "data" : "QUJD", "contentType":"text/plain; charset=utf-8",
      "title":"A \\"b\\"","size":3,"hash":"x","language":"en","creation":"2020"}},{"attachment":{"url":"Binary/1"}}],
      "extension":[{"url":"http://example.org","valueAttachment":{"contentType":"image/png","url":"https://elsewhere.test/a","data":"QQ=="}}]}`;
    const [carried, named, both] = foundIn(text);
    expect(carried).toMatchObject({
      ...{ isBinary: false, contentType: 'text/plain; charset=utf-8', title: 'A "b"', size: 3, hash: 'x' },
      ...{ language: 'en', creation: '2020', url: undefined, member: '"data" : "' },
    });
    expect(carried!.data!.toString()).toBe('QUJD');
    expect(named).toMatchObject({ url: 'Binary/1', data: undefined, member: '"url":"Binary/1"' });
    expect(both).toMatchObject({ url: 'https://elsewhere.test/a', member: '"data":"' });
  });

  it.each([
    ['a Binary', '{"resourceType":"Binary","contentType":"a/b","data":"QQ=="}', 1],
    [
      'a contained Binary',
      '{"resourceType":"Media","contained":[{"resourceType":"Binary","contentType":"a/b","data":"QQ=="}]}',
      1,
    ],
    [
      'a report',
      '{"resourceType":"DiagnosticReport","presentedForm":[{"contentType":"a/b","data":"QQ=="},{"contentType":"a/b","data":"QQ=="}]}',
      2,
    ],
    ['a photo', '{"resourceType":"Patient","photo":[{"url":"https://elsewhere.test/p"}]}', 1],
    ['a signature', '{"resourceType":"Provenance","signature":[{"sigFormat":"a/b","data":"QQ=="}],"x":"Binary"}', 0],
    ['samples', '{"resourceType":"Observation","valueSampledData":{"data":"1 2","period":1},"note":"contentType"}', 0],
    ['an extension', '{"resourceType":"Media","extension":[{"url":"http://a.test","valueString":"contentType"}]}', 0],
    [
      'data that is an element with more',
      '{"resourceType":"Media","content":{"contentType":"a/b","data":"QQ==","_data":{"id":"x"}}}',
      0,
    ],
  ])('%s', (_, text, count) => {
    expect(foundIn(text)).toHaveLength(count);
  });

  it('are replaced and nothing else: put back, every byte is as it was', () => {
    const word = fc.constantFrom('"data"', 'data', '\\"data\\":\\"', 'é', '1.50', '\\u0041', ' ');
    const one = fc.record({
      data: fc.base64String({ maxLength: 40 }),
      title: fc.array(word).map((all) => all.join('').replace(/(?<!\\)"/g, '')),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 5 }), fc.constantFrom('', ' ', '\n\t'), (all, gap) => {
        const parts = all.map(
          ({ data, title }) =>
            `{"title":"${title}",${gap}"data"${gap}:${gap}"${data}"${gap},"contentType":"text/plain","value":1.500}`,
        );
        const text = `{"resourceType":"DiagnosticReport","presentedForm":[${parts.join(',')}]}`;
        const sent: string[] = [];
        const shown = rewriteAttachments(text, (found) => {
          sent.push(`${found.member}${found.data!.toString()}"`);
          return `"url":"#${sent.length - 1}#"`;
        });
        expect(sent).toHaveLength(all.length);
        JSON.parse(shown);
        expect(shown.replace(/"url":"#(\d+)#"/g, (_, at: string) => sent[Number(at)]!)).toBe(text);
      }),
    );
  });
});
