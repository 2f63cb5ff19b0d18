package templates

import (
	"errors"
	"strings"
	"testing"

	"heed/consent"
)

func bindingNotice(class consent.Class, body string) Campaign {
	c := Campaign{Subject: "Files is read-only on Sunday", Class: class, Service: "files", Audience: "all", TimeZone: "UTC", Body: body, BodyLine: 1}
	if class == consent.Legal {
		c.Notice = NoticeSale
	}
	return c
}

// TestAlertsAndNoticesDoNotAdvertise: what newsletters are made of is refused in
// messages that nobody can stop.
func TestAlertsAndNoticesDoNotAdvertise(t *testing.T) {
	for body, want := range map[string]string{
		"See [status](https://example.com/s?utm_source=mail).":                           "campaign parameter utm_source",
		"See [status](https://example.com/s?a=1&UTM_Campaign=x).":                        "campaign parameter UTM_Campaign",
		"See https://example.com/?fbclid=1 for more.":                                    "campaign parameter fbclid",
		"See <https://example.com/?mc_cid=1>.":                                           "campaign parameter mc_cid",
		"Choose [news](https://example.com/topics?topic=product).":                       "leads to newsletters",
		"Read [more](https://example.com/newsletter).":                                   "leads to newsletters",
		"Or [go](https://example.com/subscribe/product).":                                "leads to newsletters",
		"**[Upgrade](https://example.com/pricing)**":                                     "button leads to where something is sold",
		"![new](https://example.com/a.png)":                                              "picture",
		"Stop: {{ unsubscribe_url }}":                                                    "stops newsletters",
		"Stop: *|UNSUB|*":                                                                "stops newsletters",
		"Stop: %unsubscribe_url%":                                                        "stops newsletters",
		"Stop: {{ list_unsubscribe_link }}":                                              "stops newsletters",
		"{% for topic in topics %}{{ topic }}{% endfor %}":                               "topics of newsletters",
		"Hello.\n\nSee [a](https://example.com/x?gclid=1), [b](https://x.org/?coupon=2)": "line 3",
	} {
		for _, class := range []consent.Class{consent.Alert, consent.Legal} {
			_, err := Compile(bindingNotice(class, body), layout())
			var m Marketing
			if !errors.As(err, &m) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v; want %q", class, body, err, want)
			}
		}
	}
	for _, body := range []string{
		"Files is read-only. See [status](https://status.example.com/incidents/7?lang=en).",
		"**[Save your files](https://files.example.com/download)**",
		"Your plan ends; see [the plans](https://example.com/plans).",
		"Hello {{ first_name | default: \"there\" }}, write to <mailto:help@example.com>.",
		"[unsubscribe](https://example.com/account) from nothing",
	} {
		if _, err := Compile(bindingNotice(consent.Alert, body), layout()); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := Compile(campaign("See [it](https://example.com/shop?utm_source=mail)"), layout()); err != nil {
		t.Errorf("a newsletter may: %v", err)
	}
}

// TestSellingWordsOnlyWarn: an alert about a plan that ends has to name it.
func TestSellingWordsOnlyWarn(t *testing.T) {
	c, err := Compile(bindingNotice(consent.Alert, "Hello.\n\nGet a 20 % off today, or Rabatt."), layout())
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(c.Warnings(), "; "); !strings.Contains(all, "line 3") || !strings.Contains(all, "20 % off") {
		t.Errorf("warnings: %v", c.Warnings())
	}
	if c, err = Compile(bindingNotice(consent.Alert, "Files is read-only on Sunday."), layout()); err != nil || len(c.Warnings()) > 0 {
		t.Errorf("%v, %v", c.Warnings(), err)
	}
}

// TestFootersOfWhatNobodyCanStop: each says why it comes and where one's choices
// are; an alert, where to say that one uses the service no more; none has a link
// that would stop it.
func TestFootersOfWhatNobodyCanStop(t *testing.T) {
	for _, lang := range Languages() {
		w := wordsFor(lang)
		l := layout()
		l.Language, l.ServiceName = lang, "Files"
		sale, legal := bindingNotice(consent.Legal, "Hello."), bindingNotice(consent.Legal, "Hello.")
		legal.Notice = NoticeLegal
		for want, c := range map[string]Campaign{fill(w.Footer.AlertReason, "service", "Files"): bindingNotice(consent.Alert, "Hello."), w.Sharing.SaleReason: sale, w.Sharing.LegalReason: legal} {
			content, err := Compile(c, l)
			if err != nil {
				t.Fatal(err)
			}
			text, html, err := content.Full(ann(), links())
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{text, html} {
				if !strings.Contains(part, links().Preferences) || strings.Contains(part, links().Unsubscribe) || strings.Contains(part, links().Unused) != (c.Class == consent.Alert) {
					t.Errorf("%s, %s %s: the footer is %s", lang, c.Class, c.Notice, part[max(0, len(part)-900):])
				}
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s: the footer lacks %q: %s", lang, want, text)
			}
		}
	}
}

// TestParseNotice: kinds are two, and a sale reaches everybody.
func TestParseNotice(t *testing.T) {
	c, err := ParseNotice([]byte("---\nsubject: We merge\nkind: sale\n---\nHello.\n"))
	if err != nil || c.Class != consent.Legal || c.Notice != NoticeSale || c.Audience != "all" {
		t.Errorf("%+v, %v", c, err)
	}
	for source, want := range map[string]string{
		"---\nsubject: a\n---\nHello.\n":                                  "kind:",
		"---\nsubject: a\nkind: sales\n---\nHello.\n":                     "did you mean",
		"---\nsubject: a\nkind: sale\naudience: language = de\n---\nHi\n": "goes to all",
		"---\nsubject: a\nkind: legal\ntopic: b\n---\nHi\n":               "unknown key",
	} {
		if _, err := ParseNotice([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
}
