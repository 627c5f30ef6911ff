import { Inject, Injectable } from '@nestjs/common';
import QRCode from 'qrcode';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { letterFontNeeded } from '../auth.errors.js';
import { DAYS } from './invitations.service.js';

type Pdf = PDFKit.PDFDocument;
type Element = PDFKit.PDFStructureElement;

/** Letters that the fonts of every PDF reader have (WinAnsi); others need a font of their own in the document. */
const WIN_ANSI = /^[\x20-\x7e\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/;

const MARGIN = 64;
const QR_SIZE = 120;
const INK = '#1a1a1a';

interface Letter {
  code: string;
  now: Date;
  expiresAt: Date;
}

/**
 * The activation code as a letter to print. It says where to go and what will be asked; nothing of the person, their record
 * number or their care, so that a letter in wrong hands tells nothing and opens nothing without the birth date.
 */
@Injectable()
export class ActivationLetters {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** A tagged PDF (ISO 14289-1: title, language, structure, reading order, alternative text) of one page. */
  async print(letter: Letter): Promise<Buffer> {
    const { hospital, letters } = this.config;
    if (letters.fontFile === null && !WIN_ANSI.test(hospital.name)) throw letterFontNeeded();
    const title = `Your access to the portal of ${hospital.name}`;
    // 10 MB of memory: only where letters are printed.
    const { default: PDFDocument } = await import('pdfkit');
    const pdf = new PDFDocument({
      size: letters.paper,
      margin: MARGIN,
      pdfVersion: '1.7',
      tagged: true,
      lang: 'en',
      displayTitle: true,
      info: { Title: title, Author: hospital.name, CreationDate: letter.now, ModDate: letter.now },
    });
    const written = pdf.toArray();
    this.write(pdf, title, letter);
    pdf.end();
    return Buffer.concat(await written);
  }

  private write(pdf: Pdf, title: string, { code, expiresAt }: Letter): void {
    const { hospital, http, letters } = this.config;
    const fonts = { plain: letters.fontFile ?? 'Helvetica', bold: letters.fontFile ?? 'Helvetica-Bold' };
    const document = pdf.struct('Document');
    pdf.addStructure(document);
    const paragraph = (tag: string, text: string, options: { bold?: boolean; size?: number; gap?: number } = {}) => {
      const { bold = false, size = 11, gap = 0.6 } = options;
      if (tag === 'H2') pdf.moveDown(0.6);
      document.add(
        pdf.struct(tag, {}, () => {
          pdf
            .font(bold ? fonts.bold : fonts.plain)
            .fontSize(size)
            .fillColor(INK)
            .text(text, { lineGap: 2 });
        }),
      );
      pdf.moveDown(gap);
    };

    paragraph('P', hospital.name, { bold: true, size: 12, gap: 2.5 });
    paragraph('H1', title, { bold: true, size: 20, gap: 0.8 });
    paragraph('P', `${hospital.name} invites you to its portal. This letter holds your personal activation code.`);
    paragraph('H2', 'Your activation code', { bold: true, size: 13 });
    this.writeCode(pdf, document, code, letters.fontFile ?? 'Courier-Bold');
    paragraph('P', `The code works once, for ${DAYS} days: until ${dateOf(expiresAt)}.`);
    paragraph('H2', 'How to open your account', { bold: true, size: 13 });
    const top = pdf.y;
    this.writeQr(pdf, document, `${http.publicUrl}/activate#code=${code}`, top);
    const width = pdf.page.width - 2 * MARGIN - QR_SIZE - 24;
    this.writeSteps(pdf, document, fonts.plain, width, [
      `Go to ${http.publicUrl}/activate, or scan the code beside.`,
      'Enter the activation code of this letter.',
      'Enter your date of birth, and choose a username and a password.',
    ]);
    pdf.y = Math.max(pdf.y, top + QR_SIZE) + 20;
    paragraph('H2', 'Keep this letter safe', { bold: true, size: 13 });
    paragraph(
      'P',
      `Do not give the code to anybody. Nobody of ${hospital.name} will ask you for it, for your password, or for codes that you receive.`,
    );
    paragraph(
      'P',
      `If the letter was opened before it reached you, or if you did not expect it, tell ${hospital.name}: the code can be made void at once.`,
    );
  }

  /** Groups of four in large letters of one width, none of which looks like another. */
  private writeCode(pdf: Pdf, document: Element, code: string, font: string): void {
    const height = 58;
    const { y } = pdf;
    const width = pdf.page.width - 2 * MARGIN;
    pdf.markContent('Artifact', { type: 'Layout' });
    pdf.roundedRect(MARGIN, y, width, height, 4).lineWidth(1).stroke('#8a8a8a');
    pdf.endMarkedContent();
    document.add(
      pdf.struct('P', {}, () => {
        pdf.font(font).fontSize(28).fillColor(INK);
        pdf.text(code, MARGIN, y + (height - pdf.currentLineHeight()) / 2 + 2, { width, align: 'center' });
      }),
    );
    pdf.x = MARGIN;
    pdf.y = y + height + 12;
  }

  private writeSteps(pdf: Pdf, document: Element, font: string, width: number, steps: readonly string[]): void {
    const list = pdf.struct('L');
    document.add(list);
    steps.forEach((step, index) => {
      const write = (text: string, x: number, y: number, space: number) =>
        pdf.font(font).fontSize(11).fillColor(INK).text(text, x, y, { width: space, lineGap: 2 });
      const { y } = pdf;
      list.add(
        pdf.struct('LI', {}, [
          pdf.struct('Lbl', {}, () => void write(`${index + 1}.`, MARGIN, y, 16)),
          pdf.struct('LBody', {}, () => void write(step, MARGIN + 18, y, width - 18)),
        ]),
      );
      pdf.x = MARGIN;
      pdf.moveDown(0.6);
    });
  }

  /** The code is in the fragment, which browsers never send: it gets into nobody's logs. */
  private writeQr(pdf: Pdf, document: Element, link: string, top: number): void {
    const { modules } = QRCode.create(link, { errorCorrectionLevel: 'M' });
    const left = pdf.page.width - MARGIN - QR_SIZE;
    const unit = QR_SIZE / modules.size;
    const alt = 'QR code of the address at which the account is opened, with the activation code.';
    document.add(
      pdf.struct('Figure', { alt }, () => {
        pdf.save();
        for (let row = 0; row < modules.size; row++) {
          for (let column = 0; column < modules.size; column++) {
            // A little over the edge, or some readers show lines between.
            if (modules.get(row, column)) pdf.rect(left + column * unit, top + row * unit, unit + 0.05, unit + 0.05);
          }
        }
        pdf.fill('#000000').restore();
      }),
    );
    pdf.x = MARGIN;
    pdf.y = top;
  }
}

const dateOf = (date: Date): string =>
  `${new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(date)} UTC`;
