/**
 * The most common passwords of 8 and more characters in lists of leaked ones, lower case. Deliberately small: an
 * "excessively large" list helps little beside throttling (NIST SP 800-63B-4 §3.1.1.2).
 */
export const COMMON_PASSWORDS: ReadonlySet<string> = new Set(
  `password password1 password12 password123 password1234 password12345 password123456 password1! password! passw0rd p@ssw0rd p@ssword
   p@$$w0rd passwort passwort1 motdepasse contraseña 12345678 123456789 1234567890 12345678910 123456789012345 1234567890123456
   0123456789 9876543210 987654321 87654321 11111111 111111111111111 00000000 000000000000000 22222222 88888888 99999999 66666666
   12341234 123123123 123321123 11223344 112233445566 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc qwertyui qwertyuiop
   qwertyuiopasdfg qwertyuiopasdfgh qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 asdfghjk asdfghjkl zxcvbnm1 azertyui
   azertyuiop q1w2e3r4 q1w2e3r4t5 a1b2c3d4 abcd1234 abc12345 abcdefgh abcdefghijklmno aaaaaaaa aaaaaaaaaaaaaaa iloveyou iloveyou1
   iloveyou2 iloveyou123 sunshine sunshine1 princess princess1 football football1 baseball baseball1 superman superman1 starwars
   trustno1 whatever computer internet welcome1 welcome12 welcome123 welcome1234 letmein1 letmein123 letmeinletmein1 monkey123
   dragon123 michelle jennifer jordan23 michael1 charlie1 liverpool liverpool1 chelsea1 arsenal1 master123 shadow12 admin123
   admin1234 administrator administrator1 changeme changeme1 changeme123 default1 secret123 test1234 testtest guest123 user1234
   hospital hospital1 hospital123 patient1 patient123 doctor123 nurse123 clinic123 health123 medicine summer2024 summer2025
   summer2026 winter2024 winter2025 winter2026 spring2026 autumn2026 correcthorsebatterystaple
   mypassword mypassword1 mypassword123 passwordpassword passwordpassword1 thisismypassword thisisapassword yourpassword
   google123 facebook facebook1 linkedin samsung1 blink182 bismillah metallica pokemon1 naruto123 minecraft fuckyou1 asshole1
   loveyou1 lovelove 1password 1234qwer qwer1234 zaq12wsx zaq1zaq1 xxxxxxxx`
    .split('\n')
    .flatMap((line) => line.trim().split(' '))
    .concat('correct horse battery staple')
    .filter((word) => word.length >= 8),
);
