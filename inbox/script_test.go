package inbox

import "testing"

// TestFoldedAlike: what people type for one another folds to the same words,
// and what differs in meaning does not.
func TestFoldedAlike(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		alike bool
	}{
		{"ABONELİKTEN ÇIKMAK", "abonelikten çıkmak", true},
		{"ABONELIKTEN CIKMAK", "abonelikten çıkmak", true},
		{"ΔΙΑΓΡΑΦΗΣ", "διαγραφής", true},
		{"всё ещё", "все еще", true},
		{"зв'язок", "звʼязок", true},
		{"зв’язок", "звязок", true},
		{"المُرَاسَلَة", "المراسله", true},
		{"إلغاءُ الإشتراك", "الغاء الاشتراك", true},
		{"رســـائل", "رسائل", true},
		{"علی", "على", true},
		{"نمی\u200cخواهم", "نمیخواهم", true},
		{"الماده ١٧", "المادة 17", true},
		{"שָׁלוֹם", "שלום", true},
		{`דוא"ל`, "דואל", true},
		{"דוא״ל", "דואל", true},
		{"सदस्यता ख़त्म", "सदस्यता खत्म", true},
		{"हाँ", "हां", true},
		{"ﾒｰﾙ", "メール", true},
		{"ＧＤＰＲ", "gdpr", true},
		{"đăng ký", "dang ky", true},
		{"odhláše\u00adní", "odhlaseni", true},
		{"cancel·lar", "cancellar", true},
		{"ləğv", "legv", true},
		{"ไม่", "ไม", false},
		{"कि", "की", false},
		{"か", "が", false},
	} {
		a, b := joined(foldWords(c.a)), joined(foldWords(c.b))
		if (a == b) != c.alike {
			t.Errorf("%q folds to %q, %q to %q", c.a, a, c.b, b)
		}
	}
}

func joined(words []string) string {
	all := ""
	for _, word := range words {
		all += word + " "
	}
	return all
}

// TestUnspaced: where a script puts no spaces between words, a phrase is found
// within the run of its letters, and a gap is counted in them.
func TestUnspaced(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		found         bool
	}{
		{"配信停止", "メールの配信停止をお願いします。", true},
		{"配信|送信 ... 停止|中止", "配信を直ちに中止してください", true},
		{"配信|送信 ... 停止|中止", "配信の件ではいつもたいへんお世話になっております停止", false},
		{"メール ... 不要", "ﾒｰﾙは不要です", true},
		{"退订", "我要退订这个newsletter", true},
		{"newsletter ... 退订", "请把这个newsletter给我退订", true},
		{"수신 거부", "수신거부합니다", true},
		{"보내지 마|말", "더 이상 메일을 보내지마세요", true},
		{"보내지 마|말", "보내지 않으면", false},
		{"ยกเลิก ... สมาชิก", "ขอยกเลิกการเป็นสมาชิกครับ", true},
	} {
		if got := readPattern(c.pattern).find(foldWords(c.text)) >= 0; got != c.found {
			t.Errorf("%q in %q: %v", c.pattern, c.text, got)
		}
	}
}

// TestPrefixes: Hebrew and Arabic write "and", "the" and "from" together with
// the word that follows.
func TestPrefixes(t *testing.T) {
	l, err := readLanguage("he", "[prefix]\nו\nמה\n[unsubscribe]\nהסר* ... רשימה")
	if err != nil {
		t.Fatal(err)
	}
	for text, found := range map[string]bool{"הסירו אותי מהרשימה": false, "והסר אותי מהרשימה": true, "הסרו אותי רשימה": true, "לכהסר רשימה": false} {
		if got := l.sections["unsubscribe"][0].find(foldWords(text)) >= 0; got != found {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSentenceEnds(t *testing.T) {
	for text, want := range map[string]int{
		"停止してください。ありがとう！": 2, "توقف؟ شكرا": 2, "بس کریں۔ شکریہ": 2, "बंद करें। धन्यवाद": 2, "Կանգ։ Շնորհակալություն": 2,
		"Art. 17 DSGVO": 1, "أوقفوا الرسائل\nشكرا": 2, "配信停止\n山田": 2, "Stop; now": 2,
		"このメールマガジンの配信停止をお願いしたいのですが、\nどうすれば": 1,
	} {
		if got := sentences(text, false); len(got) != want {
			t.Errorf("%q is %d sentences, not %d: %v", text, len(got), want, got)
		}
	}
}
