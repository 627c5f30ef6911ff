import { attachment, documentText } from './attachments.js';
import { entryOf, patientText } from './feed.js';
import { HOSTILE, TRAP } from './hostile-markup.js';
import { about, labText } from './reading.js';

const text = (words: string): string => JSON.stringify(words);
const XHTML = 'http://www.w3.org/1999/xhtml';

/** Words of a sender in every place that a copy of the chart shows, by their place in the corpus. */
function wordsOf(markup: string, n: number): string[] {
  const words = text(markup);
  const concept = `{"coding":[{"system":"urn:hostile","code":"h-${n}","display":${words}}],"text":${words}}`;
  const month = String((n % 12) + 1).padStart(2, '0');
  const measured = (id: string, category: string, at: string, value: number): string =>
    entryOf(
      labText({ id: `${id}-${n}`, at, category, value: '' })
        .replace('"display":"Potassium"', `"display":${words}`)
        .replace('2823-3', `h-${n}`)
        .replace('K-2823-3', `K-h-${n}`)
        .replace(
          /\}$/,
          `,"component":[{"code":{"text":${words}},"valueQuantity":{"value":${value},"unit":${words}}}],"method":{"text":${words}},"note":[{"text":${words}}]}`,
        ),
    );
  return [
    measured('lab-a', 'laboratory', `2024-${month}-01`, 5.0),
    measured('lab-b', 'laboratory', `2025-${month}-01`, 6.5),
    measured('vital-a', 'vital-signs', `2024-${month}-02`, 80),
    measured('vital-b', 'vital-signs', `2025-${month}-02`, 81),
    entryOf(
      labText({
        id: `text-${n}`,
        at: `2025-${month}-03`,
        value: `"valueString":${words},"referenceRange":[{"text":${words}}],"interpretation":[{"text":${words}}]`,
        code: `t-${n}`,
      }),
    ),
    about('Condition', `problem-${n}`, `"code":${concept},"severity":${concept},"note":[{"text":${words}}]`),
    about(
      'MedicationRequest',
      `medicine-${n}`,
      `"status":"active","intent":"order","medicationCodeableConcept":${concept},"dosageInstruction":[{"text":${words}}]`,
    ),
    about(
      'AllergyIntolerance',
      `allergy-${n}`,
      `"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"code":${concept},"reaction":[{"manifestation":[${concept}]}]`,
      'patient',
    ),
    about(
      'Immunization',
      `vaccine-${n}`,
      `"status":"completed","vaccineCode":${concept},"occurrenceDateTime":"2019-${month}","lotNumber":${words}`,
      'patient',
    ),
    about('DiagnosticReport', `report-${n}`, `"status":"final","code":${concept},"conclusion":${words}`),
    about(
      'Condition',
      `narrative-${n}`,
      `"code":{"text":"Narrated"},"text":{"status":"generated","div":${text(`<div xmlns="${XHTML}">${markup}</div>`)}}`,
    ),
  ];
}

const PAGE = '<!DOCTYPE html><script>alert(1)</script>';
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>`;
const utf16 = (words: string): Buffer => Buffer.from(`\ufeff${words}`, 'utf16le');
/** A PDF that asks its reader to run something when it opens. */
const SCRIPTED_PDF =
  '%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert(1);this.submitForm("' +
  `${TRAP}/pdf");)>>/AA<</WC<</S/URI/URI(${TRAP}/uri)>>>>>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n` +
  '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF';
/** A picture by its beginning, a script by all of it. */
const GIF_SCRIPT = Buffer.from('GIF89a/*\u0001\u0000\u0001\u0000\u0000\u0000;*/=1;alert(1)//', 'latin1');

interface HostileFile {
  name: string;
  contentType: string;
  title: string;
  bytes: Buffer;
}

const file = (name: string, contentType: string, title: string, content: string | Buffer): HostileFile => ({
  ...{ name, contentType, title, bytes: Buffer.from(content) },
});

/** Files that run in some browser where it shows them: by their type, by the one that they are given, or by what it makes of their bytes. */
export const HOSTILE_FILES: readonly HostileFile[] = [
  file('a page', 'text/html', 'letter.html', PAGE),
  file('a page that is called a text', 'text/plain', 'letter.htm', PAGE),
  file('a page that is called a picture', 'image/png', 'picture.png.html', PAGE),
  file('a page that is called a PDF', 'application/pdf', 'report.pdf', PAGE),
  file('a page of XML', 'application/xhtml+xml', 'x.xhtml', `<html xmlns="${XHTML}"><script>alert(1)</script></html>`),
  file(
    'a page with an XML line',
    'text/xml',
    'x.xml',
    `<?xml version="1.0"?><html xmlns="${XHTML}"><script>alert(1)</script></html>`,
  ),
  file(
    'a document with a script in it',
    'application/xml',
    'cda.xml',
    `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><s:script xmlns:s="${XHTML}">alert(1)</s:script></ClinicalDocument>`,
  ),
  file(
    'a document with its style sheet',
    'text/xml',
    'x.xsl',
    `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="${TRAP}/x.xsl"?><x/>`,
  ),
  file('a drawing', 'image/svg+xml', 'drawing.svg', SVG),
  file('a drawing that is called a photograph', 'image/jpeg', 'photo.jpg', `<?xml version="1.0"?>${SVG}`),
  file('a page after a long blank', 'text/plain', 'x.txt', `${' '.repeat(5_000)}${PAGE}`),
  file('a page behind words', 'text/plain', 'notes.txt', `Dear patient, ${PAGE}`),
  file('a page after a mark of order', 'text/plain', 'bom.txt', `\ufeff${PAGE}`),
  file('a page in UTF-16', 'text/html; charset=utf-16', 'wide.html', utf16(PAGE)),
  file('a page in UTF-7', 'text/html; charset=utf-7', 'seven.html', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-'),
  file('a page in ISO 2022', 'text/plain', 'iso.txt', '\u001b$B\u001b(J<script>alert(1)</script>'),
  file(
    'a page in parts',
    'multipart/related',
    'page.mhtml',
    `MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n${PAGE}\n--b--`,
  ),
  file('a script', 'text/javascript', 'run.js', 'alert(1)'),
  file('a script that is called a table', 'text/csv', 'table.csv', 'alert(1)'),
  file('a script that is called JSON', 'application/json', 'data.json', 'alert(1)'),
  file('a style sheet', 'text/css', 'x.css', `body{background:url(${TRAP}/css)}`),
  file('markdown with markup', 'text/markdown', 'x.md', `# x\n${PAGE}`),
  file('a PDF that runs', 'application/pdf', 'form.pdf', SCRIPTED_PDF),
  file('a PDF that is a page', 'application/pdf', 'both.pdf', `%PDF-1.7\n${PAGE}\n%%EOF`),
  file('a page that is a PDF', 'text/html', 'both.html', `<!--%PDF-1.7-->${PAGE}`),
  file('a picture that is a script', 'image/gif', 'picture.gif', GIF_SCRIPT),
  file('a name with a path', 'text/plain', '../../../etc/x.html', 'x'),
  file('a name with another ending hidden', 'text/plain', 'report\u202etxt.lmth', 'x'),
  file(
    'a name that ends a header',
    'text/plain',
    'x"\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>',
    'x',
  ),
  file('a name that is markup', 'text/plain', '<img src=x onerror=alert(1)>.html', 'x'),
  file('a type that ends a header', 'text/plain', 'x', PAGE),
];

const patient = entryOf(
  patientText('pat', 'MRN-PAT').replace(
    '"family":"Feed","given":["Fee"]',
    `"family":${text('</title><script>alert(1)</script>')},"given":[${text('"><img src=x onerror=alert(1)>')}]`,
  ),
);

/** The chart of `Patient/pat` whose sender tries everything. */
export const hostileChart = (): string[] => [
  patient,
  ...HOSTILE.flatMap(({ markup }, n) => wordsOf(markup, n)),
  ...HOSTILE_FILES.map(({ contentType, title, bytes }, n) =>
    entryOf(documentText(`file-${n}`, 'Patient/pat', [attachment({ bytes, contentType, title })])),
  ),
];
