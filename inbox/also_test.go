package inbox

import (
	"testing"

	"heed/consent"
)

// TestErasureAlone: data that "you hold about me" is named to say what to
// delete, not to see it first. A case that nobody asked for would wait for staff.
func TestErasureAlone(t *testing.T) {
	for text, alone := range map[string]bool{
		"Please delete my account and all personal data you hold about me.":                   true,
		"I want you to erase my profile along with any information you have stored about me.": true,
		"Bitte löschen Sie mein Konto und alle Daten, die Sie über mich gespeichert haben.":   true,
		"Merci de supprimer mon compte et toutes les données que vous détenez sur moi.":       true,
		"Eliminen mi cuenta y todos los datos que tienen sobre mí.":                           true,
		"Cancellate il mio account e tutti i dati che avete su di me.":                        true,
		"Eliminem a minha conta e todos os dados que têm sobre mim.":                          true,
		"Verwijder mijn account en alle gegevens die u over mij heeft.":                       true,
		"Proszę usunąć moje konto i wszystkie dane, jakie o mnie posiadacie.":                 true,
		"Удалите мой аккаунт и все данные, которые вы обо мне храните.":                       true,
		"Видаліть мій обліковий запис і всі дані, які ви про мене зберігаєте.":                true,
		"Hesabımı ve hakkımda tuttuğunuz tüm verileri silin.":                                 true,
		"احذفوا حسابي وجميع البيانات التي تحتفظون بها عني.":                                   true,

		"Delete my account and send me a copy of all data you hold about me.":                           false,
		"Bitte löschen Sie mein Konto und schicken Sie mir eine Kopie aller Daten.":                     false,
		"Supprimez mon compte et envoyez-moi une copie de mes données.":                                 false,
		"Eliminen mi cuenta y envíenme una copia de todos mis datos.":                                   false,
		"Which data do you hold about me? Then delete my account and all personal data you have on me.": false,
	} {
		r := Read([]byte("From: a@example.org\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+text+"\r\n"), RolePrivacy, testRing, Ours{})
		kinds := append([]consent.Kind{r.Kind}, r.Also...)
		if wanted := map[bool]int{true: 1, false: 2}[alone]; len(kinds) != wanted || alone && r.Kind != consent.KindErasure {
			t.Errorf("%q asks for %v", text, kinds)
		}
	}
}
