package main

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"heed/consent"
)

// TestPagesWalked goes the ways of four people in four languages, from the mail
// to the row of the ledger: Ann stops, Ben chooses by keyboard alone with a link
// of his own, Nour has her data deleted, and somebody to whom Ola passed a
// newsletter on gets nothing but a stop.
func TestPagesWalked(t *testing.T) {
	h := openStreet(t)
	t.Run("Ann stops, in English", func(t *testing.T) { h.t = t; h.ann() })
	t.Run("Ben chooses, in German", func(t *testing.T) { h.t = t; h.ben() })
	t.Run("Nour has her data deleted, in Arabic", func(t *testing.T) { h.t = t; h.nour() })
	t.Run("Ola's newsletter was passed on, in Polish", func(t *testing.T) { h.t = t; h.ola() })
	h.t = t
	h.holds()
}

// holds checks the invariants.
func (h *street) holds() {
	h.t.Helper()
	report, err := h.s.Verify(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for name, one := range report {
		if len(one.Broken) > 0 {
			h.t.Errorf("%s is broken: %v", name, one.Broken)
		}
	}
}

func (h *street) ann() {
	h.knows("ann@example.com", "en")
	h.sends("en", "ann@example.com")
	h.mail("ann@example.com")
	h.reads("You get this because you signed up for “Product news”")
	h.do(chromedp.Click(chromedp.CSS(`a[href*="/u/"]`)))
	h.reads("Stop these emails?", "a••@example.com")
	if h.state("ann@example.com").Topics[1].Choice != consent.In {
		h.t.Fatal("opening the page stopped something")
	}
	h.do(chromedp.Click(chromedp.CSS(`button:not(.quiet)`)))
	h.reads("Done.", "It took effect at", "Reference: L-", "never advertising")
	if mark := h.state("ann@example.com").Topics[1]; mark.Choice != consent.Out || mark.Via != consent.ViaPage {
		h.t.Errorf("recorded as %+v", mark)
	}
}

func (h *street) ben() {
	h.knows("ben@example.com", "de-AT")
	h.sends("de", "ben@example.com")
	h.mail("ben@example.com")
	h.reads("Abbestellen")
	h.do(chromedp.Click(chromedp.CSS(`a[href*="/p/"]`)))
	h.reads("Was Sie von uns erhalten", "b••@example.com")
	h.tabTo(`input[name=fresh] ~ button`)
	h.do(chromedp.KeyEvent("\r"))
	h.reads("Sehen Sie in Ihr Postfach")
	letter := h.mail("ben@example.com")
	h.do(chromedp.Navigate(pageLink.FindString(letter)))
	h.reads("Ihre Auswahl", "Product news", "Events")
	h.tabTo(`#topic-events`)
	h.do(chromedp.KeyEvent(" "))
	h.tabTo(`#offers`)
	h.do(chromedp.KeyEvent(" "))
	h.tabTo(`.save button`)
	h.do(chromedp.KeyEvent("\r"))
	h.reads("Ihre Auswahl ist gespeichert", "Jetzt gestoppt: E-Mails über „Events“", "Jetzt an: Angebote unserer Partner")
	state := h.state("ben@example.com")
	if state.Topics[2].Choice != consent.Out || state.Topics[1].Choice != consent.In || state.Partner.Choice != consent.In || state.Partner.Via != consent.ViaPage {
		h.t.Errorf("the state is %s", state.Encode())
	}
	h.tabTo(`button.quiet`)
	h.do(chromedp.KeyEvent("\r"))
	h.reads("Jetzt an: E-Mails über „Events“", "Jetzt gestoppt: Angebote unserer Partner")
	if state := h.state("ben@example.com"); state.Topics[2].Choice != consent.In || state.Partner.Choice != consent.Out {
		h.t.Errorf("after the undo the state is %s", state.Encode())
	}
}

func (h *street) nour() {
	h.knows("nour@example.com", "ar")
	h.do(chromedp.Navigate(h.pages.URL + "/link?lang=ar"))
	h.reads("الحصول على رابط جديد")
	h.do(chromedp.SendKeys(chromedp.CSS("#email"), "nour@example.com"), chromedp.Click(chromedp.CSS("button")))
	h.reads("تفقّد صندوق البريد")
	h.do(chromedp.Navigate(pageLink.FindString(h.mail("nour@example.com"))))
	h.reads("اختياراتك")
	h.do(chromedp.Click(chromedp.CSS(`a[href*="/requests"]`)))
	h.reads("بياناتك")
	h.do(chromedp.Click(chromedp.CSS(`input[value=delete] ~ button`)))
	h.reads("وصلنا طلبك", "H-1")
	if h.state("nour@example.com").Hold == 0 {
		h.t.Error("she is not on hold")
	}
	h.do(chromedp.Click(chromedp.CSS(`a[href*="/q/"]`)))
	h.reads("حالة طلبك", "ننتظر حتى")
	h.do(chromedp.Navigate(pageLink.FindString(h.mail("nour@example.com"))), chromedp.Click(chromedp.CSS(`button`)))
	h.reads("H-1")
	if err := eventually(h.ctx, 30*time.Second, "the erasure", func() (bool, error) { return h.state("nour@example.com").Erased != 0, nil }); err != nil {
		h.t.Error(err)
	}
}

func (h *street) ola() {
	h.knows("ola@example.com", "pl")
	h.sends("pl", "ola@example.com")
	h.mail("ola@example.com")
	before := h.state("ola@example.com")
	h.do(chromedp.Click(chromedp.CSS(`a[href*="/p/"]`)))
	text := h.reads("Co od nas przychodzi", "o••@example.com")
	if strings.Contains(text, "Events") || strings.Contains(text, "ola@") {
		h.t.Errorf("the page shows more than its list:\n%s", text)
	}
	at, err := chromedp.Run(h.ctx, chromedp.Location())
	if err != nil {
		h.t.Fatal(err)
	}
	path, _, _ := strings.Cut(at, "?")
	for _, below := range []string{"/history", "/requests"} {
		h.do(chromedp.Navigate(path + below + "?said=pl"))
		h.reads("Nowy link")
	}
	if h.state("ola@example.com").Encode() != before.Encode() {
		h.t.Error("looking around changed something")
	}
	h.do(chromedp.Navigate(path), chromedp.Click(chromedp.CSS(`input[value=all] ~ button`)))
	h.reads("Gotowe.")
	if mark := h.state("ola@example.com").Marketing; mark.Choice != consent.Out {
		h.t.Errorf("recorded as %+v", mark)
	}
}
