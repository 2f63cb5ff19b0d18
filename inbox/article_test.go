package inbox

import (
	"testing"

	"heed/consent"
)

// TestArticles: a letter in whose language nobody wrote a list still names its
// right, before the number or behind it.
func TestArticles(t *testing.T) {
	for text, want := range map[string]consent.Kind{
		"GDPR 17. cikk": consent.KindErasure, "GDPR 15 artikla": consent.KindAccess, "VDAR 16. pants": consent.KindRectification,
		"BDAR 21 straipsnis": consent.KindObjection, "GDPR, 17. člen": consent.KindErasure, "члан 15 GDPR": consent.KindAccess,
		"GDPR 第17条": consent.KindErasure, "GDPR 제15조": consent.KindAccess, "المادة ١٧ GDPR": consent.KindErasure,
		"GDPR madde 17": consent.KindErasure, "чл. 16 GDPR": consent.KindRectification, "стаття 21 GDPR": consent.KindObjection,
		"Airteagal 17 RGCS": consent.KindErasure, "Artikolu 15 GDPR": consent.KindAccess, "artikel 17 dataskyddsförordningen": consent.KindErasure,
	} {
		got := Read(letter("ann@example.org", "privacy@news.example", "", text), RolePrivacy, testRing, Ours{})
		if got.Kind != want {
			t.Errorf("%q is read as %s, not %s %v", text, got.Kind, want, got.Evidence)
		}
	}
	for _, text := range []string{"KVKK madde 17", "Please see page 17 of the article", "Art. 17 of the house rules"} {
		got := Read(letter("ann@example.org", "privacy@news.example", "", text), RolePrivacy, testRing, Ours{})
		if actsAlone(got.Kind) {
			t.Errorf("%q is read as %s %v", text, got.Kind, got.Evidence)
		}
	}
}
