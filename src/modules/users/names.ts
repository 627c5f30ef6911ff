/** Text that a person typed, as it is stored and compared: no space around it, composed characters (NFC). */
export const tidy = (text: string): string => text.trim().normalize('NFC');
