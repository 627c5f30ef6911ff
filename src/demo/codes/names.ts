/** `native|latin` where the name is not in Latin letters; otherwise the Latin form follows by folding. */
interface NameList {
  family: readonly string[];
  female: readonly string[];
  male: readonly string[];
}

/* prettier-ignore */
export const NAMES = {
  spanish: { family: ['González', 'Ibáñez', 'Muñoz', 'Peña'], female: ['Lucía', 'Inés', 'Belén'], male: ['Andrés', 'Íñigo', 'Raúl'] },
  french: { family: ['Lefèvre', 'Garçon', 'Beauchêne'], female: ['Zoé', 'Anaïs', 'Hélène'], male: ['François', 'Noël', 'Rémi'] },
  polish: { family: ['Wójcik', 'Gołąb', 'Żurek'], female: ['Małgorzata', 'Bożena', 'Zofia'], male: ['Łukasz', 'Paweł', 'Stanisław'] },
  czech: { family: ['Krejčí', 'Janků', 'Petrů'], female: ['Růžena', 'Eliška', 'Žofie'], male: ['Jiří', 'Matěj', 'Ondřej'] },
  nordic: { family: ['Ångström', 'Sørlie', 'Þorlund'], female: ['Sólveig', 'Åsa', 'Bjørg'], male: ['Bjørn', 'Håkon', 'Sæmundur'] },
  turkish: { family: ['Yıldız', 'Çelik', 'Öztürk'], female: ['Ayşe', 'Gülşen', 'Şebnem'], male: ['Çağlar', 'Oğuz', 'İsmet'] },
  vietnamese: { family: ['Nguyễn', 'Đặng', 'Trần'], female: ['Thị Hường', 'Ngọc', 'Phượng'], male: ['Đức', 'Hữu', 'Tuấn'] },
  english: { family: ['Hartwell', 'Pemberley', 'Thornbury', "O'Dwyer", 'Ashgrove'], female: ['Winifred', 'Harriet', 'Beatrix', 'Cordelia'], male: ['Rupert', 'Desmond', 'Clement', 'Alistair'] },
  irish: { family: ['Breathnach', 'Caomhánach'], female: ['Sinéad', 'Caoimhe', 'Róisín'], male: ['Pádraig', 'Séamus', 'Cillian'] },
  yoruba: { family: ['Adébáyọ̀', 'Ọlátúnjí', 'Akínwálé'], female: ['Títílayọ̀', 'Fúnmi'], male: ['Tọ́pẹ́', 'Kọ́lá'] },
  hawaiian: { family: ['Kealoha', 'Kahananui'], female: ['Leilani', 'Noelani'], male: ['Keanu', 'Makoa'] },
  hyphenated: { family: ['Fairfax-Lémieux', 'Marlow-Šťastná', 'Quennell-Ochoa'], female: ['Anne-Sophie', 'Mary-Kate'], male: ['Jean-Luc', 'Karl-Heinz'] },
  japanese: { family: ['佐伯|saeki', '水無瀬|minase', '桐生|kiryu'], female: ['明美|akemi', '千尋|chihiro'], male: ['健太|kenta', '蓮|ren'] },
  chinese: { family: ['欧阳|ouyang', '慕容|murong'], female: ['晓雯|xiaowen', '丽华|lihua'], male: ['志强|zhiqiang', '文博|wenbo'] },
  arabic: { family: ['الحداد|alhaddad', 'القاسم|alqasim'], female: ['ليلى|layla', 'نورة|noura'], male: ['يوسف|yusuf', 'سامي|sami'] },
  russian: { family: ['Щербаков|shcherbakov', 'Ёлкин|yolkin'], female: ['Людмила|lyudmila', 'Ксения|kseniya'], male: ['Фёдор|fyodor', 'Юрий|yuri'] },
  greek: { family: ['Ξενάκης|xenakis', 'Ψαρρός|psarros'], female: ['Χρυσούλα|chrysoula', 'Ευγενία|evgenia'], male: ['Θεόφιλος|theofilos', 'Λάμπρος|lampros'] },
  hindi: { family: ['चतुर्वेदी|chaturvedi', 'अय्यर|iyer'], female: ['सुनीता|sunita', 'अनुष्का|anushka'], male: ['विक्रम|vikram', 'अर्जुन|arjun'] },
} as const satisfies Record<string, NameList>;

export type Origin = keyof typeof NAMES;

export interface Name {
  text: string;
  /** Lower case, a to z and hyphens: what addresses and usernames are made of. */
  latin: string;
}

// Letters that have no decomposition into a base letter and a mark.
const UNDECOMPOSED: Record<string, string> = {
  ł: 'l',
  đ: 'd',
  ø: 'o',
  æ: 'ae',
  þ: 'th',
  ı: 'i',
  ß: 'ss',
};

export function parseName(entry: string): Name {
  const [text = '', latin] = entry.split('|');
  return { text, latin: latin ?? fold(text) };
}

const fold = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z -]/g, (letter) => UNDECOMPOSED[letter] ?? '')
    .replaceAll(' ', '-');
