package templates

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func pageAt() time.Time { return time.Date(2026, 6, 1, 16, 3, 9, 0, time.FixedZone("", 2*3600)) }

// pages writes every page in one language.
func pages(lang, sender, topic, contact string) map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"unsubscribe": func(w io.Writer) error {
			return UnsubscribePage(w, UnsubscribeData{Language: lang, Sender: sender, Topic: topic, MaskedAddress: Mask("ann@example.com"), Action: "/u/abc234"})
		},
		"unsubscribe-all": func(w io.Writer) error {
			return UnsubscribePage(w, UnsubscribeData{Language: lang, Sender: sender, Action: "/u/abc234"})
		},
		"done": func(w io.Writer) error {
			return DonePage(w, DoneData{Language: lang, Sender: sender, Topic: topic, At: pageAt(), InFlight: 1, Choices: "/p/abc234", Number: "L-7", Fresh: "/p/abc234/link"})
		},
		"done-already": func(w io.Writer) error {
			return DonePage(w, DoneData{Language: lang, Sender: sender, Topic: topic, At: pageAt(), Already: true, Number: "L-7"})
		},
		"done-all": func(w io.Writer) error {
			return DonePage(w, DoneData{Language: lang, Sender: sender, At: pageAt(), Choices: "/p/abc234"})
		},
		"confirm": func(w io.Writer) error {
			return ConfirmPage(w, ConfirmData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/c/abc234", Reference: "C-12"})
		},
		"confirm-done": func(w io.Writer) error {
			return ConfirmDonePage(w, ConfirmDoneData{Language: lang, Sender: sender, At: pageAt(), Reference: "C-12", Status: "/q/abc234"})
		},
		"choices": func(w io.Writer) error {
			return ChoicesPage(w, ChoicesData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/p/abc234", Fresh: "/p/abc234/link",
				Topics: []Choice{{ID: "product", Name: topic, In: true}, {ID: "events", Name: "Events"}}})
		},
		"choices-torn": func(w io.Writer) error {
			return ChoicesPage(w, ChoicesData{Language: lang, Sender: sender, Action: "/p/abc234", Topics: []Choice{{ID: "product", Name: topic, Torn: true}, {ID: "events", Name: "Events"}},
				Conflicts: []Conflict{{Topic: topic, Yes: pageAt().AddDate(0, -1, 2), No: pageAt(), How: "page", Way: "mail"}}, Stopped: true})
		},
		"choices-one": func(w io.Writer) error {
			return ChoicesPage(w, ChoicesData{Language: lang, Sender: sender, Action: "/p/abc234"})
		},
		"choices-none": func(w io.Writer) error {
			return ChoicesPage(w, ChoicesData{Language: lang, Sender: sender, Action: "/p/abc234", Topics: []Choice{{ID: "product", Name: topic}}, Stopped: true})
		},
		"sign-up": func(w io.Writer) error { return SignUpPage(w, signUpData(lang, sender, topic)) },
		"sign-up-one": func(w io.Writer) error {
			return SignUpPage(w, SignUpData{Language: lang, Sender: sender, Action: "/s", Topics: []SignUpTopic{{ID: "product", Name: topic}}, Mark: "m"})
		},
		"sign-up-flaws": func(w io.Writer) error {
			d := signUpData(lang, sender, topic)
			d.Values = map[string]string{"email": topic, "first_name": sender}
			d.Flaws = []SignUpFlaw{{"email", "address"}, {"first_name", "signs"}, {"topics", "missing"}}
			return SignUpPage(w, d)
		},
		"sign-up-asked":   func(w io.Writer) error { return SignUpAskedPage(w, signedUp(lang, sender, topic)) },
		"sign-up-many":    func(w io.Writer) error { return SignUpManyPage(w, signedUp(lang, sender, topic)) },
		"sign-up-confirm": func(w io.Writer) error { return SignUpConfirmPage(w, signedUp(lang, sender, topic)) },
		"signed-up":       func(w io.Writer) error { return SignedUpPage(w, signedUp(lang, sender, topic)) },
		"sign-up-late":    func(w io.Writer) error { return SignUpLatePage(w, signedUp(lang, sender, topic)) },
		"agree":           func(w io.Writer) error { return AgreePage(w, signedUp(lang, sender, topic)) },
		"agreed":          func(w io.Writer) error { return AgreedPage(w, signedUp(lang, sender, topic), false) },
		"agreed-nothing":  func(w io.Writer) error { return AgreedPage(w, signedUp(lang, sender, topic), true) },
		"version": func(w io.Writer) error {
			return VersionPage(w, VersionData{Language: lang, Sender: sender, Version: "2026-06", Text: "# 1\n\n*2*\n\n- 3\n- 4", Hash: "1234",
				Purposes: []string{"news", "research"}, State: "announced", Effective: pageAt().AddDate(0, 0, 30), Agreed: pageAt(), Others: []VersionLink{{"/v/2026-01", "2026-01"}}})
		},
		"version-never": func(w io.Writer) error {
			return VersionPage(w, VersionData{Language: lang, Sender: sender, Personal: true, Others: []VersionLink{{"/v/2026-01", "2026-01"}}})
		},
		"unused":       func(w io.Writer) error { return UnusedPage(w, noMore(lang, sender)) },
		"unused-asked": func(w io.Writer) error { return UnusedAskedPage(w, noMore(lang, sender)) },
		"unused-none":  func(w io.Writer) error { return UnusedNonePage(w, noMore(lang, sender)) },
		"undo": func(w io.Writer) error {
			return UndoPage(w, UndoData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/b/abc234",
				Stopped: Stops{Topics: []string{topic, "Events"}}, At: pageAt(), Until: pageAt().AddDate(0, 0, 7)})
		},
		"undone":       func(w io.Writer) error { return UndonePage(w, lang, sender, UndoneNow, pageAt(), "/link") },
		"undo-late":    func(w io.Writer) error { return UndonePage(w, lang, sender, UndoneLate, pageAt(), "/link") },
		"undo-used":    func(w io.Writer) error { return UndonePage(w, lang, sender, UndoneUsed, pageAt(), "/link") },
		"link-problem": notice(NoticeData{Kind: NoticeBadLink, Language: lang, Sender: sender, Contact: contact, Ask: "/link"}),
		"try-again":    notice(NoticeData{Kind: NoticeTryAgain, Language: lang, Sender: sender, Contact: contact}),
		"too-often":    notice(NoticeData{Kind: NoticeTooOften, Language: lang, Sender: sender, Contact: contact, Ask: "/link"}),
		"expired":      notice(NoticeData{Kind: NoticeExpired, Language: lang, Sender: sender, Days: 30, Ask: "/link"}),
		"used":         notice(NoticeData{Kind: NoticeUsed, Language: lang, Sender: sender, Reference: "C-12", Ask: "/link"}),
		"home":         notice(NoticeData{Kind: NoticeHome, Language: lang, Sender: sender, Contact: contact, Ask: "/link"}),
		"read-only":    notice(NoticeData{Kind: NoticeReadOnly, Language: lang, Sender: sender, Ask: "/link"}),
	}
}

func signUpData(lang, sender, topic string) SignUpData {
	return SignUpData{Language: lang, Sender: sender, Action: "/s", Topics: []SignUpTopic{{ID: "product", Name: topic}, {ID: "events", Name: "Events", Chosen: true}},
		Ask: []string{"first_name", "last_name", "company"}, Offers: true, Sharing: true, Policy: "2026-01", Texts: "/v", Source: "sign-up page", Mark: "m"}
}

func signedUp(lang, sender, topic string) SignedUpData {
	return SignedUpData{Language: lang, Sender: sender, Contact: "privacy@harbour.example", Link: "https://news.harbour.example/s/abc234", MaskedAddress: Mask("ann@example.com"),
		Action: "/s/abc234", Chosen: Stops{Topics: []string{topic, "Events"}, Offers: true, Sharing: true}, Policy: "2026-01", Purposes: []string{"news", "research"}, Texts: "/v", Way: "/p/abc234"}
}

func noMore(lang, sender string) UnusedData {
	return UnusedData{Language: lang, Sender: sender, MaskedAddress: Mask("ann@example.com"), Action: "/n/abc234", Service: "Harbour Files", At: pageAt()}
}

func notice(d NoticeData) func(io.Writer) error {
	return func(w io.Writer) error { return NoticePage(w, d) }
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPagesGolden(t *testing.T) {
	for name, write := range pages("en", "Harbour Notes", "Product news", "unsubscribe@harbour.example") {
		golden(t, "page-"+name+".html", written(t, write))
	}
}

func TestPagesAreAccessible(t *testing.T) {
	for _, lang := range Languages() {
		for name, write := range pages(lang, "Harbour Notes", "Product news", "unsubscribe@harbour.example") {
			count, title := inspect(t, written(t, write))
			t.Run(lang+"/"+name, func(t *testing.T) {
				if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 || title == "" {
					t.Errorf("h1 %d, main %d, title %q", count["h1"], count["main"], title)
				}
				forms := map[string]int{"unsubscribe": 2, "unsubscribe-all": 1, "confirm": 1, "choices": 3, "done": 1, "choices-one": 1, "undo": 1, "choices-torn": 1,
					"sign-up": 1, "sign-up-one": 1, "sign-up-flaws": 1, "sign-up-confirm": 1, "agree": 1, "unused": 1}[name]
				if count["form"] != forms || count["button"] != forms || count["post"] != forms {
					t.Errorf("%d forms, %d buttons, %d post; want %d", count["form"], count["button"], count["post"], forms)
				}
				for _, banned := range []string{"script", "link", "img", "iframe", "src", "onclick", "http"} {
					if count[banned] != 0 {
						t.Errorf("the page has %s", banned)
					}
				}
				if text := written(t, write); strings.ContainsAny(text[strings.Index(text, "</style>"):], "{}") {
					t.Error("a value was not filled in")
				}
				if count["lang="+lang] != 1 {
					t.Error("the page does not say its language")
				}
			})
		}
	}
}

// inspect counts elements, attributes and what matters of their values.
func inspect(t *testing.T, page string) (count map[string]int, title string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	count = map[string]int{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if n.Data == "title" && n.FirstChild != nil {
			title = n.FirstChild.Data
		}
		for _, a := range n.Attr {
			countAttribute(count, a)
		}
	}
	return count, title
}

func countAttribute(count map[string]int, a html.Attribute) {
	switch a.Key {
	case "src", "onclick":
		count[a.Key]++
	case "lang":
		count["lang="+a.Val]++
	case "method":
		count[a.Val]++
	case "href", "action":
		if strings.HasPrefix(a.Val, "http") || strings.HasPrefix(a.Val, "//") {
			count["http"]++
		}
	}
}

func TestUnsubscribeButtonPostsOneClick(t *testing.T) {
	got := written(t, pages("en", "S", "T", "")["unsubscribe"])
	for _, want := range []string{`<form method="post" action="/u/abc234">`, `name="List-Unsubscribe" value="One-Click"`, "<h1>Stop these emails?</h1>", "a••@example.com"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestDonePage(t *testing.T) {
	got := written(t, pages("en", "S", "T", "")["done"])
	for _, want := range []string{"<h1>Done.</h1>", "It took effect at 14:03 UTC on 1 June 2026.", `<a class="way" href="/p/abc234">See everything`, "left us before then can still arrive", "never advertising"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	all := written(t, pages("en", "S", "T", "")["done-all"])
	if strings.Contains(all, "still arrive") || strings.Contains(all, `<a class="way"`) {
		t.Errorf("the page speaks of a message in flight, or of more to stop, where there is none:\n%s", all)
	}
}

func TestChoicesOnlyStop(t *testing.T) {
	got := written(t, pages("en", "S", "News & <b>", "")["choices"])
	for _, want := range []string{`name="scope" value="topic:product"`, `name="scope" value="all"`, "Stop “News &amp; &lt;b&gt;”", "Emails about “Events” are stopped."} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got, `value="topic:events"`) {
		t.Error("what is stopped has a button")
	}
	if none := written(t, pages("en", "S", "T", "")["choices-none"]); strings.Contains(none, "<button") {
		t.Error("nothing is left to stop, and there is a button")
	}
}

func TestNoticeKinds(t *testing.T) {
	for _, kind := range []NoticeKind{0, -1, NoticeTooOften + 1} {
		if err := NoticePage(io.Discard, NoticeData{Kind: kind}); err == nil {
			t.Errorf("kind %d made a page", kind)
		}
	}
	for _, kind := range []NoticeKind{NoticeBadLink, NoticeTryAgain, NoticeHome} {
		if got := written(t, notice(NoticeData{Kind: kind})); strings.Contains(got, "mailto:") {
			t.Errorf("kind %d offers an address where none is known", kind)
		}
	}
}

func TestFailedText(t *testing.T) {
	if FailedText("de-AT") == FailedText("en") || FailedText("ja") != FailedText("en") {
		t.Errorf("%q, %q", FailedText("de-AT"), FailedText("ja"))
	}
}

// TestFrenchMarksStayWithTheirWords: a line must not begin with a colon or a closing quote.
func TestFrenchMarksStayWithTheirWords(t *testing.T) {
	for key, text := range leaves("", reflect.ValueOf(*wordsFor("fr"))) {
		for _, mark := range []string{"« ", " »", " :", " ?"} {
			if strings.Contains(text, mark) {
				t.Errorf("%s: %q lets the line break at %q", key, text, mark)
			}
		}
	}
}

func TestPagesInjection(t *testing.T) {
	harmless := pages("en", "S", "T", "a@example.com")
	for _, payload := range payloads {
		if clean(payload) == "" {
			continue
		}
		for name, write := range pages("en", payload, payload, payload) {
			got, _ := inspect(t, written(t, write))
			want, _ := inspect(t, written(t, harmless[name]))
			for _, tag := range []string{"script", "img", "b", "a", "form", "input", "p", "h1"} {
				if got[tag] != want[tag] {
					t.Errorf("%s: %.40q makes %d %s, want %d", name, payload, got[tag], tag, want[tag])
				}
			}
		}
	}
}

func TestStyleHashMatchesThePages(t *testing.T) {
	got := written(t, pages("en", "S", "T", "")["done"])
	_, rest, _ := strings.Cut(got, "<style>")
	css, _, _ := strings.Cut(rest, "</style>")
	if css != style() {
		t.Error("the page's style is not the one that StyleHash is of")
	}
	if h := StyleHash(); !strings.HasPrefix(h, "'sha256-") || len(h) != 2*(len("'sha256-'")+44)+1 {
		t.Errorf("StyleHash() = %s", h)
	}
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{
		"ann@example.com": "a••@example.com", "é@example.com": "é••@example.com", `"a@b"@example.com`: `"••@example.com`,
		"": "••", "nobody": "••", "@example.com": "••",
	} {
		if got := Mask(address); got != want {
			t.Errorf("Mask(%q) = %q, want %q", address, got, want)
		}
	}
}

// TestPagesRunTheWayOfTheirLanguage: what is foreign in a page that is read from right to left is set apart, a link in a
// letter stands alone.
func TestPagesRunTheWayOfTheirLanguage(t *testing.T) {
	for _, lang := range Languages() {
		want, apart := "ltr", "Harbour Notes"
		if lang == "ar" {
			want, apart = "rtl", "\u2068Harbour Notes\u2069"
		}
		for name, write := range pages(lang, "Harbour Notes", "Product news", "unsubscribe@harbour.example") {
			if !strings.Contains(written(t, write), `<html lang="`+lang+`" dir="`+want+`">`) {
				t.Errorf("%s/%s is not %s", lang, name, want)
			}
		}
		const link = "https://news.harbour.example/c/abc234"
		_, text := ErasureConfirm(ErasureConfirmData{Language: lang, Sender: "Harbour Notes", Link: link, Reference: "H-12"})
		if !strings.Contains(text, apart+" ") || !strings.Contains(text, "\n"+link+"\n") {
			t.Errorf("%s: the sender is not set apart, or the link is:\n%s", lang, text)
		}
	}
}
