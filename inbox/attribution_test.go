package inbox

import (
	"slices"
	"strings"
	"testing"
)

// attributions are the lines that mail programs put above what they quote, in
// their users' languages, with and without an address.
var attributions = []string{
	"On Mon, 3 Mar 2025 at 10:12, Anna Lis wrote:",
	"Am 03.03.2025 um 10:12 schrieb Anna Lis:",
	"Le 03/03/2025 à 10:12, Anna Lis a écrit :",
	"El 3/3/25 a las 10:12, Anna Lis escribió:",
	"Il giorno lun 3 mar 2025 alle ore 10:12 Anna Lis ha scritto:",
	"Em seg., 3 de mar. de 2025 às 10:12, Anna Lis escreveu:",
	"Op ma 3 mrt 2025 om 10:12 schreef Anna Lis:",
	"W dniu 3.03.2025 o 10:12, Anna Lis pisze:",
	"pon., 3 mar 2025 o 10:12 Anna Lis napisał(a):",
	"Dnia 3 marca 2025 10:12 Anna Lis napisała:",
	"3 марта 2025 г., 10:12, Анна Лис написала:",
	"Понедельник, 3 марта 2025, 10:12 +03:00 от Анна Лис:",
	"03.03.2025 10:12, Анна Лис пишет:",
	"пн, 3 бер. 2025 р. о 10:12 Анна Лис пише:",
	"3 березня 2025 р. о 10:12 Анна Лис написав(ла):",
	"Anna Lis, 3 Mar 2025 Pzt, 10:12 tarihinde şunu yazdı:",
	"3.03.2025 10:12 tarihinde Anna Lis yazdı:",
	"في الاثنين، 3 مارس 2025 في 10:12 ص كتبت آنا ليس:",
	"بتاريخ 3\u200f/3\u200f/2025 10:12، كتب Anna Lis:",
	"po 3. 3. 2025 v 10:12 odesílatel Anna Lis napsal:",
	"Dne 3.3.2025 v 10:12 Anna Lis napsal(a):",
	"po 3. 3. 2025 o 10:12 Anna Lis napísal(a):",
	"Dňa 3. 3. 2025 o 10:12 Anna Lis napísala:",
	"Anna Lis ezt írta (időpont: 2025. márc. 3., H, 10:12):",
	"2025. 03. 03. 10:12 keltezéssel, Anna Lis írta:",
	"În lun., 3 mar. 2025 la 10:12, Anna Lis a scris:",
	"На пн, 3.03.2025 г. в 10:12 Анна Лис написа:",
	"pon, 3. ožu 2025. u 10:12 Anna Lis napisao je:",
	"пон, 3. мар 2025. у 10:12 Ана Лис је написао/ла:",
	"V V pon., 3. mar. 2025 ob 10:12 je oseba Anna Lis napisala:",
	"на 3 мар 2025 во 10:12, Ана Лис напиша:",
	"Στις Δευ 3 Μαρ 2025 στις 10:12, ο/η Anna Lis έγραψε:",
	"ma 3. maalisk. 2025 klo 10.12 Anna Lis kirjoitti:",
	"Kontakt Anna Lis kirjutas kuupäeval E, 3. märts 2025 kell 10:12:",
	"Pirmd., 2025. g. 3. marts, plkst. 10:12, Anna Lis rakstīja:",
	"2025-03-03, pr, 10:12 Anna Lis rašė:",
	"Den mån 3 mars 2025 kl 10:12 skrev Anna Lis:",
	"Den man. 3. mar. 2025 kl. 10.12 skrev Anna Lis:",
	"man. 3. mars 2025 kl. 10:12 skrev Anna Lis:",
	"mán., 3. mar. 2025 kl. 10:12 skrifaði Anna Lis:",
	"Missatge de Anna Lis del dia dl., 3 de març 2025 a les 10:12:",
	"Anna Lis va escriure el dia 3/3/2025 a les 10:12:",
	"Anna Lis(e)k idatzi zuen (2025 mar. 3, al. 10:12):",
	"O luns, 3 de mar. de 2025 ás 10:12, Anna Lis escribiu:",
	"\u202bבתאריך יום ב׳, 3 במרץ 2025 ב-10:12 מאת \u202aAnna Lis\u202c\u200f:",
	"ב-3 במרץ 2025 בשעה 10:12, Anna Lis כתב/ה:",
	"در تاریخ دوشنبه ۳ مارس ۲۰۲۵ در ۱۰:۱۲ Anna Lis نوشت:",
	"सोम, 3 मार्च 2025 को 10:12 बजे Anna Lis ने लिखा:",
	"เมื่อ จ. 3 มี.ค. 2025 เวลา 10:12 Anna Lis เขียนว่า:",
	"2025년 3월 3일 (월) 오전 10:12, Anna Lis님이 작성:",
	"2025年3月3日(月) 10:12 Anna Lisさんは書きました:",
	"2025年3月3日 10:12、Anna Lisのメール：",
	"Anna Lis 于2025年3月3日周一 10:12写道：",
	"在 2025年3月3日，10:12，Anna Lis 写道：",
	"Anna Lis 於 2025年3月3日 週一 10:12寫道：",
	"Vào Th 2, 3 thg 3, 2025 vào lúc 10:12 Anna Lis đã viết:",
	"Pada Sen, 3 Mar 2025 pukul 10.12 Anna Lis menulis:",
	"Noong Lun, Mar 3, 2025 nang 10:12 AM si Anna Lis ay sumulat:",
	"Tarehe Jtt, 3 Mac 2025 saa 10:12 Anna Lis aliandika:",
	"Op Ma. 3 Mrt. 2025 om 10:12 het Anna Lis geskryf:",
	"Më hën, 3 mar 2025 në 10:12 Anna Lis shkroi:",
	"ორშ, 3 მარ. 2025, 10:12-ზე Anna Lis-მა დაწერა:",
	"Երկ, 3 մրտ, 2025 թ., 10:12, Anna Lis գրել է՝",
	"3 Mar 2025, Be tarixində, saat 10:12 Anna Lis yazdı:",
}

// TestAttributions: what stands below such a line is not the writer's, though
// nothing marks it.
func TestAttributions(t *testing.T) {
	for _, line := range attributions {
		for _, form := range []string{line, strings.Replace(line, "Anna Lis", "Anna Lis <anna@example.com>", 1), broken(line)} {
			text := "Hello there\n\n" + form + "\n\nReply stop to unsubscribe.\n"
			if own, _ := splitQuote(text); strings.TrimSpace(own) != "Hello there" {
				t.Errorf("below %q is taken for the writer's: %q", form, own)
			}
		}
	}
}

// broken puts a line break into the middle, as programs do with long lines.
func broken(line string) string {
	at := strings.Index(line[len(line)/2:], " ")
	if at < 0 {
		return line
	}
	at += len(line) / 2
	return line[:at] + "\n" + line[at+1:]
}

// TestNoAttributions: sentences of the writer's own that have a date and a
// colon in them.
func TestNoAttributions(t *testing.T) {
	for _, line := range []string{
		"I ask for the following, as of 3 March 2025:", "Meine Daten, Stand 03.03.2025:", "Proszę o usunięcie danych z dnia 3.03.2025:",
		"Мои данные на 3 марта 2025 года:", "Je vous ai écrit le 3 mars 2025 et je demande :", "2025年3月3日付けで次のことを請求します：",
		"Ich schrieb Ihnen am 3. März 2025:", "Napisał do mnie wasz dział 3.03.2025, proszę o jedno:", "ในวันที่ 3 มีนาคม 2025 ขอแจ้งดังนี้:",
	} {
		text := line + "\nplease delete my data"
		if own, _ := splitQuote(text); !strings.Contains(own, "delete") {
			t.Errorf("%q was taken for an attribution", line)
		}
	}
}

// copiedBlocks are the headers that Outlook and others copy above a quotation.
var copiedBlocks = []string{
	"Od: Anna Lis <anna@example.com>\nWysłano: poniedziałek, 3 marca 2025 10:12\nDo: Max\nTemat: Nowości",
	"От: Анна Лис <anna@example.com>\nОтправлено: 3 марта 2025 г. 10:12\nКому: Max\nТема: Новости",
	"Від: Анна Лис <anna@example.com>\nНадіслано: 3 березня 2025 р. 10:12\nКому: Max\nТема: Новини",
	"Gönderen: Anna Lis <anna@example.com>\nGönderildi: 3 Mart 2025 Pazartesi 10:12\nKime: Max\nKonu: Haberler",
	"من: Anna Lis <anna@example.com>\nتم الإرسال: 3 مارس 2025 10:12\nإلى: Max\nالموضوع: أخبار",
	"Odesláno: pondělí 3. března 2025 10:12\nOd: Anna Lis <anna@example.com>\nKomu: Max\nPředmět: Novinky",
	"Odosielateľ: Anna Lis <anna@example.com>\nOdoslané: pondelok 3. marca 2025 10:12\nKomu: Max\nPredmet: Novinky",
	"Feladó: Anna Lis <anna@example.com>\nElküldve: 2025. március 3. 10:12\nCímzett: Max\nTárgy: Hírek",
	"De la: Anna Lis <anna@example.com>\nTrimis: luni, 3 martie 2025 10:12\nCătre: Max\nSubiect: Noutăți",
	"Από: Anna Lis <anna@example.com>\nΣτάλθηκε: Δευτέρα, 3 Μαρτίου 2025 10:12\nΠρος: Max\nΘέμα: Νέα",
	"Lähettäjä: Anna Lis <anna@example.com>\nLähetetty: 3.3.2025 10:12\nVastaanottaja: Max\nAihe: Uutiset",
	"Från: Anna Lis <anna@example.com>\nSkickat: den 3 mars 2025 10:12\nTill: Max\nÄmne: Nytt",
	"Fra: Anna Lis <anna@example.com>\nSendt: 3. marts 2025 10:12\nTil: Max\nEmne: Nyt",
	"מאת: Anna Lis <anna@example.com>\nנשלח: יום שני 03 מרץ 2025 10:12\nאל: Max\nנושא: חדשות",
	"差出人: Anna Lis <anna@example.com>\n送信日時: 2025年3月3日 10:12\n宛先: Max\n件名: ニュース",
	"发件人: Anna Lis <anna@example.com>\n发送时间: 2025年3月3日 10:12\n收件人: Max\n主题: 新闻",
	"寄件者： Anna Lis <anna@example.com>\n寄件日期： 2025年3月3日 10:12\n收件者： Max\n主旨： 新聞",
	"보낸 사람: Anna Lis <anna@example.com>\n보낸 날짜: 2025년 3월 3일 10:12\n받는 사람: Max\n제목: 소식",
	"จาก: Anna Lis <anna@example.com>\nส่ง: 3 มีนาคม 2025 10:12\nถึง: Max\nเรื่อง: ข่าว",
	"Từ: Anna Lis <anna@example.com>\nĐã gửi: 3 tháng 3, 2025 10:12\nĐến: Max\nChủ đề: Tin",
	"प्रेषक: Anna Lis <anna@example.com>\nभेजा गया: 3 मार्च 2025 10:12\nप्रति: Max\nविषय: समाचार",
	"Šalje: Anna Lis <anna@example.com>\nPoslano: 3. ožujka 2025. 10:12\nPrima: Max\nPredmet: Vijesti",
	"Nuo: Anna Lis <anna@example.com>\nIšsiųsta: 2025 m. kovo 3 d. 10:12\nKam: Max\nTema: Naujienos",
}

// withoutAddresses gives the blocks as programs write them that show names only.
func withoutAddresses(blocks []string) []string {
	var all []string
	for _, block := range blocks {
		if !strings.HasPrefix(block, "Odesláno") { // does not begin with who wrote
			all = append(all, strings.Replace(block, " <anna@example.com>", "", 1))
		}
	}
	return all
}

// TestLettersWithFields: a letter may begin with fields of its own.
func TestLettersWithFields(t *testing.T) {
	text := "Subject: erasure\nDate: 3 March 2025\nName: Anna Lis\nCustomer: 17\n\nplease delete my data"
	if own, _ := splitQuote(text); !strings.Contains(own, "delete") {
		t.Errorf("a letter was taken for a quotation: %q", own)
	}
}

func TestCopiedBlocks(t *testing.T) {
	for _, block := range slices.Concat(copiedBlocks, withoutAddresses(copiedBlocks)) {
		if own, _ := splitQuote("Hello there\n\n" + block + "\n\nReply stop to unsubscribe.\n"); own != "Hello there" {
			t.Errorf("%q is taken for the writer's: %q", block, own)
		}
	}
}
