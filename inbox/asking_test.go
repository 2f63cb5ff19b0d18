package inbox

import (
	"testing"

	"heed/consent"
)

// TestShortMailIsNotPassedOver: what speaks of mail, addresses or data and
// matches no rule goes to a person; what people write about otherwise does not.
func TestShortMailIsNotPassedOver(t *testing.T) {
	for said, want := range map[string]consent.Kind{
		"My inbox is drowning, do something about your newsletter.":                                         consent.KindReview,
		"Was ist eigentlich mit meinem Datensatz bei Ihnen?":                                                consent.KindReview,
		"Il y a un souci avec mon adresse chez vous, appelez-moi.":                                          consent.KindReview,
		"Could you send the invoice for order 12 again?":                                                    consent.KindUnrelated,
		"Ich freue mich auf den Kurs am Samstag!":                                                           consent.KindUnrelated,
		"Our consultants handle deletion requests for publishers like you. Book a free consultation today.": consent.KindUnrelated,
		"Komme zehn Minuten später, fangt schon an.":                                                        consent.KindUnrelated,
	} {
		got := Read(letter("ann@example.org", "privacy@news.example", "Re: October news", said), RolePrivacy, testRing, Ours{})
		if got.Kind != want {
			t.Errorf("%q is %s, but was read as %s %v", said, want, got.Kind, got.Evidence)
		}
	}
}

// TestSellersClaimNoRights: who sells help with requests makes none.
func TestSellersClaimNoRights(t *testing.T) {
	for _, said := range []string{
		"We help companies like yours with every data subject access request. Book a demo, the first month is free.",
		"Wir übernehmen für Unternehmen die Löschung von Daten. Vereinbaren Sie ein kostenloses Erstgespräch.",
		"Aiutiamo le aziende con le richieste di cancellazione dei dati. Prima consulenza gratuita senza impegno.",
	} {
		got := Read(letter("dan@example.org", "privacy@news.example", "", said), RolePrivacy, testRing, Ours{})
		if got.Kind != consent.KindUnrelated && got.Kind != consent.KindReview || len(got.Stops()) > 0 {
			t.Errorf("%q was read as %s %v", said, got.Kind, got.Evidence)
		}
	}
}

// TestOptOutOfOtherThings: a person looks where it may be a course that
// somebody leaves, but a mail that is named is what is left.
func TestOptOutOfOtherThings(t *testing.T) {
	for said, want := range map[string]consent.Kind{
		"Please unsubscribe me from the course.":                        consent.KindReview,
		"Please unsubscribe me from the newsletter on the course.":      consent.KindUnsubscribe,
		"You write every day, that is too much. Please unsubscribe me.": consent.KindUnsubscribe,
		"Every day is too much. Once a week, or else unsubscribe me.":   consent.KindPreference,
	} {
		got := Read(letter("ann@example.org", "unsubscribe@news.example", "Re: October news", said), RoleUnsubscribe, testRing, Ours{})
		if got.Kind != want {
			t.Errorf("%q is %s, but was read as %s %v", said, want, got.Kind, got.Evidence)
		}
	}
	order := Read(letter("ann@example.org", "privacy@news.example", "Bestellung", "Bitte eine Tasse weniger."), RolePrivacy, testRing, Ours{})
	if actsAlone(order.Kind) {
		t.Errorf("an order was read as %s %v", order.Kind, order.Evidence)
	}
}

// TestGrownChildren: who is of age asks for himself.
func TestGrownChildren(t *testing.T) {
	for said, want := range map[string]consent.Kind{
		"My son of 9 years signed up without my consent, please delete his account.":  consent.KindGuardian,
		"I am 81 years old and my grandson says you can delete all my data.":          consent.KindErasure,
		"Mi hija de 20 años ya no quiere recibir sus promociones, dejen de enviarle.": consent.KindUnsubscribe,
	} {
		got := Read(letter("ann@example.org", "privacy@news.example", "", said), RolePrivacy, testRing, Ours{})
		if got.Kind != want {
			t.Errorf("%q is %s, but was read as %s %v", said, want, got.Kind, got.Evidence)
		}
	}
}

// TestSmallMailIsWaitedFor: only what is large enough to be slow by itself is
