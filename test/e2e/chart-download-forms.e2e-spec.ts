import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inspect } from '../../src/fhir/index.js';
import { bundleIn, copyChart, textIn } from '../harness/copied-chart.js';
import { downloaded, fileOf, filesOf, type Downloaded } from '../harness/downloads.js';
import { type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { hasPdfReader, pdfText } from '../harness/pdf.js';
import type { Patient } from '../harness/people.js';

let hospital: Hospital;
let pat: Patient;
let all: Downloaded;
let files: Map<string, Buffer>;

beforeAll(async () => {
  ({ hospital, pat, all, files } = await copyChart());
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('the International Patient Summary', () => {
  it('is a valid document whose composition names what stands in it, section by section', () => {
    const { type, entry } = bundleIn(files, 'patient-summary.json');
    expect(type).toBe('document');
    expect(
      inspect(textIn(files, 'patient-summary.json')).findings.filter(({ severity }) => severity === 'error'),
    ).toEqual([]);
    const [first] = entry;
    expect(first!.resource).toMatchObject({ resourceType: 'Composition', type: { coding: [{ code: '60591-5' }] } });
    const sections = first!.resource.section as {
      code: { coding: [{ code: string }] };
      entry?: { reference: string }[];
    }[];
    expect(sections.map(({ code }) => code.coding[0].code)).toEqual([
      ...['10160-0', '48765-2', '11450-4', '11369-6', '30954-2', '47519-4'],
    ]);
    const byUrl = new Map(entry.map(({ fullUrl, resource }) => [fullUrl, resource]));
    const types = sections.map((section) => section.entry!.map(({ reference }) => byUrl.get(reference)!.resourceType));
    expect(types.map(([one]) => one)).toEqual([
      ...['MedicationRequest', 'AllergyIntolerance', 'Condition', 'Immunization', 'Observation', 'Procedure'],
    ]);
    const { subject, author } = first!.resource as unknown as {
      subject: { reference: string };
      author: [{ reference: string }];
    };
    expect(byUrl.get(subject.reference)).toMatchObject({ resourceType: 'Patient' });
    expect(byUrl.get(author[0].reference)).toMatchObject({ resourceType: 'Organization', name: 'Portico Hospital' });
    // Asthma once, by its latest; what was resolved, refused or stopped is in none.
    expect(textIn(files, 'patient-summary.json').match(/"195967001"/g)).toHaveLength(1);
    for (const gone of ['Influenza', 'Amoxicillin']) expect(textIn(files, 'patient-summary.json')).not.toContain(gone);
    expect(textIn(files, 'patient-summary.json')).toContain('"value":5.0');
  });

  it('says that there is no information where nothing is recorded, and never that there is nothing', async () => {
    const { anna } = hospital;
    const empty = await downloaded(anna, anna.patientId, { formats: ['ips', 'fhir', 'html'] });
    const own = await filesOf(anna, empty);
    const findings = inspect(textIn(own, 'patient-summary.json')).findings;
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    for (const code of ['no-medication-info', 'no-allergy-info', 'no-problem-info', '"unavailable"'])
      expect(textIn(own, 'patient-summary.json')).toContain(code);
    expect(bundleIn(own, 'patient-summary.json').entry[1]!.resource).toMatchObject({
      ...{ resourceType: 'Patient', birthDate: '1980-05-17', name: [{ family: 'Patient', given: ['Pat'] }] },
    });
    expect(inspect(textIn(own, 'health-record.json')).findings.filter(({ severity }) => severity === 'error')).toEqual(
      [],
    );
    expect(textIn(own, 'health-record.html')).toContain('No information.');
  });
});

describe('the page to read', () => {
  it('has no markup of anybody but us, whatever records say', () => {
    const html = textIn(files, 'health-record.html');
    expect(html.match(/<(script|iframe|img|object|embed|link|form|base|video|audio)\b/gi)).toBeNull();
    expect(html.match(/<[^>]*\son\w+\s*=/gi)).toBeNull();
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).toContain('&amp;lt;script&amp;gt;alert(1)');
    expect(html).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    expect(html.match(/(?:src|href)="(?!#)[^"]*"/g)).toBeNull();
    // Every tag that opens is closed: nothing broke out of its cell.
    const tags = (name: string) => [
      html.match(new RegExp(`<${name}[ >]`, 'g'))?.length,
      html.match(new RegExp(`</${name}>`, 'g'))?.length,
    ];
    for (const name of ['table', 'tr', 'td', 'th', 'section', 'ul', 'li', 'style']) {
      const [open, closed] = tags(name);
      expect([name, open]).toEqual([name, closed]);
    }
  });

  it('can be read with a screen reader: language, one title, headings in order, heads of tables, pictures in words', () => {
    const html = textIn(files, 'health-record.html');
    expect(html).toMatch(/^<!DOCTYPE html>\n<html lang="en">/);
    expect(html.match(/<h1/g)).toHaveLength(1);
    expect(html).toContain('<title>Health record of Ελένη Пётр Łukasiewicz</title>');
    expect(html.match(/<table>/g)!.length).toBe(html.match(/<caption>/g)!.length);
    expect(html).toContain('<th scope="col">');
    expect(html).toContain('<th scope="row"');
    expect(html).toContain('<svg role="img" aria-label="Potassium: 3 results from 4.10 mmol/L on 2025-01-05');
    expect(html).toContain('@media print');
    expect(html).toContain('5.60 mmol/L (range 3.50–5.0 mmol/L) [High]');
  });

  it('is answered as a file to keep, and never as a page of the portal', async () => {
    const { headers } = await fileOf(pat, all.id, 'health-record.html');
    expect(headers['content-disposition']).toBe('attachment; filename="health-record.html"');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['cache-control']).toBe('no-store');
  });
});

describe('the PDF', () => {
  it('is tagged, with title, language, headings, heads of tables and pictures in words, its fonts embedded', () => {
    const raw = files.get('health-record.pdf')!.toString('latin1');
    for (const part of [
      ...['/Marked true', '/Lang (en)', '/DisplayDocTitle true', '/S /H1', '/S /H2', '/S /Table', '/S /TR', '/S /TH'],
      ...['/S /TD', '/Scope /Column', '/Scope /Row', '/S /Figure', '/Alt (Potassium: 3 results', '/FontFile2'],
    ])
      expect([part, raw.includes(part)]).toEqual([part, true]);
    expect(raw.match(/\/BaseFont \/(?:Helvetica|Times|Courier)/)).toBeNull();
    expect(raw.includes('/JavaScript') || raw.includes('/JS ')).toBe(false);
  });

  (hasPdfReader ? it : it.skip)(
    'is found by a reader word for word, in any script of its fonts (needs pdftotext)',
    () => {
      const read = pdfText(files.get('health-record.pdf')!);
      for (const words of [
        ...[
          'Health record of Ελένη Пётр Łukasiewicz',
          'Born 1980-05-17.',
          'Asthma',
          '5.60 mmol/L',
          '<5 mg/L',
          'Ersatz der Hüfte',
        ],
        ...['Two puffs when needed', '<script>alert(1)</script>', 'All records', 'page 1'],
      ])
        expect([words, read.includes(words)]).toEqual([words, true]);
      expect(read).not.toContain('no font of this document');
      expect(read).not.toContain('U+');
    },
  );
});
