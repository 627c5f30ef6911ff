import type { Config } from '../../../../platform/config/config.js';
import { SECTION_NAMES } from '../../chart.service.js';
import type { LineView, RecordView } from '../../record.dto.js';
import { scopeWords, SECTION_TITLES, type Printed } from '../printed.js';
import type { PdfHead, PdfSource } from './document.js';

/** What paper needs of a record: the resource stays here. */
const lineOf = ({ resource: _, patientId: __, ...line }: RecordView): LineView => line;

export function pdfHeadOf({ job, madeAt, hospital, person }: Printed, { letters, downloads }: Config): PdfHead {
  const title = `Health record${person.name === '' ? '' : ` of ${person.name}`}`;
  const { paper } = letters;
  const { fontFiles } = downloads;
  return { ...{ title, hospital, birthDate: person.birthDate, madeAt }, scope: scopeWords(job), paper, fontFiles };
}

export const pdfSourceOf = (printed: Printed): PdfSource => ({
  async glance() {
    const { sections, vitals, labs } = await printed.glance();
    return {
      sections: SECTION_NAMES.map((name) => ({ title: SECTION_TITLES[name], lines: sections[name] })),
      ...{ vitals, labs },
    };
  },
  async *pages() {
    for await (const views of printed.pages()) yield views.map(lineOf);
  },
});
