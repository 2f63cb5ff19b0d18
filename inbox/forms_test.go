package inbox

import (
	"strings"
	"testing"
)

// quoted is what stands in the messages that the mails below quote; none of it
// is the writer's.
const quotedLine = "To unsubscribe write to us. Delete my account."

// TestHTMLForms: what mail programs put around what they quote, and around
// signatures, is told from what the writer wrote.
func TestHTMLForms(t *testing.T) {
	for name, body := range map[string]string{
		"gmail":             `<div dir="ltr">Please take me off</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Mon, Mar 3, 2025 at 10:12 AM News &lt;news@news.example&gt; wrote:<br></div><blockquote class="gmail_quote">QUOTED</blockquote></div>`,
		"gmail signature":   `<div dir="ltr">Please take me off<br clear="all"><div><br></div><span class="gmail_signature_prefix">-- </span><br><div dir="ltr" class="gmail_signature">QUOTED</div></div>`,
		"gmail below":       `<div class="gmail_quote"><blockquote>QUOTED</blockquote></div><div>Please take me off</div>`,
		"between":           `<blockquote>QUOTED</blockquote><p>Please take me off</p><blockquote>QUOTED</blockquote>`,
		"outlook web":       `<div>Please take me off</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><b>Von:</b> News</div><div>QUOTED</div>`,
		"outlook":           `<p class="MsoNormal">Please take me off</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal"><b>Von:</b> News &lt;news@news.example&gt;<br><b>Gesendet:</b> Montag, 3. M&auml;rz 2025</p></div><p>QUOTED</p>`,
		"outlook of old":    `<p>Please take me off</p><div style='border:none;border-top:solid #B5C4DF 1.0pt'><b>De :</b> News</div><p>QUOTED</p>`,
		"outlook mobile":    `<div>Please take me off</div><div id="ms-outlook-mobile-signature">QUOTED</div><div id="mail-editor-reference-message-container">QUOTED</div>`,
		"apple":             `<html><body>Please take me off<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>On 3 Mar 2025</div>QUOTED</blockquote></div></body></html>`,
		"yahoo":             `<div class="ydp123yahoo-style-wrap">Please take me off</div><div id="ydp9yahoo_quoted_0123" class="ydp9yahoo_quoted"><div>QUOTED</div></div>`,
		"thunderbird":       `<p>Please take me off</p><div class="moz-cite-prefix">Am 03.03.2025 um 10:12 schrieb News:<br></div><blockquote type="cite" cite="mid:1@news.example">QUOTED</blockquote><div class="moz-signature">-- <br>QUOTED</div>`,
		"proton":            `<div style="font-family: Arial;">Please take me off</div><div class="protonmail_signature_block">QUOTED</div><div class="protonmail_quote">On Monday<br><blockquote>QUOTED</blockquote></div>`,
		"gmx":               `<div>Please take me off</div><div name="quote" style="margin:10px 5px 5px 10px; border-left:2px solid #C3D9E5;"><div><b>Gesendet:</b> Montag</div><div name="quoted-content">QUOTED</div></div>`,
		"zimbra":            `<div>Please take me off</div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__">QUOTED</div>`,
		"zimbra, closed":    `<div>Please take me off</div><hr id="zwchr" /><div>QUOTED</div>`,
		"spark":             `<div name="messageBodySection">Please take me off</div><div name="messageReplySection">QUOTED</div>`,
		"zoho":              `<div>Please take me off</div><div class="zmail_extra_hr"></div><div class="zmail_extra">QUOTED</div>`,
		"style and scripts": `<head><title>QUOTED</title><style>QUOTED</style></head><body>Please take me off<script>QUOTED</script></body>`,
	} {
		own, _ := splitOwn(t, "text/html", "<html>"+strings.ReplaceAll(body, "QUOTED", quotedLine)+"</html>")
		if own != "Please take me off" {
			t.Errorf("%s: %q was taken for the writer's own", name, own)
		}
	}
}

// TestPlainForms: the same in plain text, in the languages of the clients.
func TestPlainForms(t *testing.T) {
	for name, text := range map[string]string{
		"gmail en":           "OWN\n\nOn Mon, Mar 3, 2025 at 10:12 AM News <news@news.example> wrote:\n\n> QUOTED",
		"gmail en, broken":   "OWN\n\nOn Mon, Mar 3, 2025 at 10:12 AM News of the week <\nnews@news.example> wrote:\n\n> QUOTED",
		"gmail de":           "OWN\n\nAm Mo., 3. März 2025 um 10:12 Uhr schrieb News <news@news.example>:\n\n> QUOTED",
		"gmail fr":           "OWN\n\nLe lun. 3 mars 2025 à 10:12, News <news@news.example> a écrit :\n\n> QUOTED",
		"gmail es":           "OWN\n\nEl lun, 3 mar 2025 a las 10:12, News (<news@news.example>) escribió:\n\n> QUOTED",
		"gmail it":           "OWN\n\nIl giorno lun 3 mar 2025 alle ore 10:12 News <news@news.example> ha scritto:\n\n> QUOTED",
		"gmail pt":           "OWN\n\nEm seg., 3 de mar. de 2025 às 10:12, News <news@news.example> escreveu:\n\n> QUOTED",
		"gmail nl":           "OWN\n\nOp ma 3 mrt 2025 om 10:12 schreef News <news@news.example>:\n\n> QUOTED",
		"apple en":           "OWN\n\n> On 3 Mar 2025, at 10:12, News <news@news.example> wrote:\n> \n> QUOTED",
		"apple de":           "OWN\n\n> Am 03.03.2025 um 10:12 schrieb News <news@news.example>:\n>\n> QUOTED",
		"thunderbird de":     "OWN\n\nAm 03.03.25 um 10:12 schrieb News:\n> QUOTED",
		"thunderbird fr":     "OWN\n\nLe 03/03/2025 à 10:12, News a écrit :\n> QUOTED",
		"thunderbird it":     "OWN\n\nIl 03/03/2025 10:12, News ha scritto:\n> QUOTED",
		"thunderbird nl":     "OWN\n\nOp 03-03-2025 om 10:12 schreef News:\n> QUOTED",
		"thunderbird es":     "OWN\n\nEl 03/03/2025 a las 10:12, News escribió:\n> QUOTED",
		"thunderbird pt":     "OWN\n\nÀs 10:12 de 03/03/2025, News escreveu:\n> QUOTED",
		"outlook en":         "OWN\n\n________________________________\nFrom: News <news@news.example>\nSent: Monday, March 3, 2025 10:12 AM\nTo: Ann\nSubject: October\n\nQUOTED",
		"outlook en, dashes": "OWN\n\n-----Original Message-----\nFrom: News\nQUOTED",
		"outlook de":         "OWN\n\nVon: News <news@news.example>\nGesendet: Montag, 3. März 2025 10:12\nAn: Ann\nBetreff: Oktober\n\nQUOTED",
		"outlook de, dashes": "OWN\n\n-----Ursprüngliche Nachricht-----\nVon: News\nQUOTED",
		"outlook fr":         "OWN\n\nDe : News <news@news.example>\nEnvoyé : lundi 3 mars 2025 10:12\nÀ : Ann\nObjet : octobre\n\nQUOTED",
		"outlook es":         "OWN\n\nDe: News <news@news.example>\nEnviado: lunes, 3 de marzo de 2025 10:12\nPara: Ann\nAsunto: octubre\n\nQUOTED",
		"outlook it":         "OWN\n\nDa: News <news@news.example>\nInviato: lunedì 3 marzo 2025 10:12\nA: Ann\nOggetto: ottobre\n\nQUOTED",
		"outlook pt":         "OWN\n\nDe: News <news@news.example>\nEnviada em: segunda-feira, 3 de março de 2025 10:12\nPara: Ann\nAssunto: outubro\n\nQUOTED",
		"outlook nl":         "OWN\n\nVan: News <news@news.example>\nVerzonden: maandag 3 maart 2025 10:12\nAan: Ann\nOnderwerp: oktober\n\nQUOTED",
		"outlook bold":       "OWN\n\n*From:* News <news@news.example>\n*Sent:* Monday, March 3, 2025 10:12 AM\n*To:* Ann\n*Subject:* October\n\nQUOTED",
		"mobile":             "OWN\n\nSent from my iPhone\n\n> On 3 Mar 2025, at 10:12, News <news@news.example> wrote:\n> QUOTED",
		"samsung":            "OWN\n\n-------- Original message --------\nFrom: News <news@news.example>\nDate: 03/03/2025 10:12 (GMT+01:00)\nQUOTED",
		"samsung de":         "OWN\n\n-------- Ursprüngliche Nachricht --------\nVon: News <news@news.example>\nDatum: 03.03.25 10:12 (GMT+01:00)\nQUOTED",
		"forward":            "OWN\n\n---------- Forwarded message ---------\nFrom: News <news@news.example>\nQUOTED",
		"apple forward":      "OWN\n\nBegin forwarded message:\n\nFrom: News <news@news.example>\nDate: 3 March 2025 at 10:12:00 GMT\nTo: ann@example.org\n\nQUOTED",
		"signature":          "OWN\n\n-- \nAnn Archer\nQUOTED",
		"signature, bare":    "OWN\n\n--\nAnn Archer\nQUOTED",
		"below":              "On Mon, Mar 3, 2025 at 10:12 AM News <news@news.example> wrote:\n> QUOTED\n> QUOTED\n\nOWN",
		"between":            "> QUOTED\n\nOWN\n\n> QUOTED",
		"proton":             "OWN\n\nSent with Proton Mail secure email.\n\nOn Monday, March 3rd, 2025 at 10:12 AM, News <news@news.example> wrote:\n\n> QUOTED",
		"yahoo":              "OWN\n\n    On Monday, March 3, 2025 at 10:12:00 AM GMT+1, News <news@news.example> wrote:  \n \n QUOTED",
		"gmx":                "OWN\n\nGesendet: Montag, 03. März 2025 um 10:12 Uhr\nVon: \"News\" <news@news.example>\nAn: ann@example.org\nBetreff: Oktober\nQUOTED",
		"mobile, below":      "Sent from my iPhone\n\n> QUOTED\n\nOWN",
		"mailing list":       "OWN\n_______________________________________________\nUsers mailing list\nQUOTED",
		"android de":         "OWN\n\nVon meinem Samsung Galaxy Smartphone gesendet.\n\n-------- Ursprüngliche Nachricht --------\nQUOTED",
		"iphone fr":          "OWN\n\nEnvoyé de mon iPhone\n\n> Le 3 mars 2025 à 10:12, News <news@news.example> a écrit :\n> QUOTED",
		"iphone it":          "OWN\n\nInviato da iPhone\n\n> Il giorno 3 mar 2025, alle ore 10:12, News <news@news.example> ha scritto:\n> QUOTED",
		"iphone nl":          "OWN\n\nVerstuurd vanaf mijn iPhone\n\n> Op 3 mrt. 2025 om 10:12 heeft News <news@news.example> het volgende geschreven:\n> QUOTED",
		"iphone pt":          "OWN\n\nEnviado do meu iPhone\n\n> Em 3 de mar. de 2025, à(s) 10:12, News <news@news.example> escreveu:\n> QUOTED",
		"iphone es":          "OWN\n\nEnviado desde mi iPhone\n\n> El 3 mar 2025, a las 10:12, News <news@news.example> escribió:\n> QUOTED",
	} {
		text = strings.NewReplacer("OWN", "Please take me off", "QUOTED", quotedLine).Replace(text)
		if own, _ := splitOwn(t, "text/plain", text); own != "Please take me off" {
			t.Errorf("%s: %q was taken for the writer's own", name, own)
		}
	}
}

// splitOwn parses a mail of one part and gives what the writer wrote, with its
// blank lines closed up.
func splitOwn(t *testing.T, kind, body string) (own, quoted string) {
	t.Helper()
	raw := "From: ann@example.org\r\nTo: unsubscribe@news.example\r\nSubject: Re: October\r\nMIME-Version: 1.0\r\nContent-Type: " + kind +
		"; charset=utf-8\r\n\r\n" + strings.ReplaceAll(body, "\n", "\r\n")
	m := Parse([]byte(raw))
	return strings.Join(strings.Fields(m.Text), " "), m.Quoted
}
