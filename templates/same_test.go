package templates

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSegmentsAndLiquidAgree compiles the same content both ways and wants the same bytes, or the same error.
func TestSegmentsAndLiquidAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := campaign(drawBody(t))
		in.Subject = "S" + drawInline(t)
		in.Preheader = drawInline(t)
		segments, err := compile(in, layout(), false)
		liquid, err2 := compile(in, layout(), true)
		if err != nil || err2 != nil {
			t.Fatalf("compiling %q: %v, %v", in.Body, err, err2)
		}
		if segments.Dynamic() || !liquid.Dynamic() {
			t.Fatal("the two are not compiled in different ways")
		}
		compare(t, segments, liquid, drawPerson(t))
	})
}

func compare(t *rapid.T, segments, liquid *Content, p Person) {
	text, html, err := segments.Values(p, links())
	text2, html2, err2 := liquid.Full(p, links())
	if (err == nil) != (err2 == nil) || err != nil && err != err2 {
		t.Fatalf("errors differ: %v, %v", err, err2)
	}
	subject, err3 := segments.Subject(p)
	subject2, err4 := liquid.Subject(p)
	if subject != subject2 || err3 != err4 {
		t.Fatalf("subjects differ: %q, %v and %q, %v", subject, err3, subject2, err4)
	}
	if err != nil {
		return
	}
	if got := Splice(segments.Text, text); got != text2 {
		t.Fatalf("text differs:\n%q\n%q", got, text2)
	}
	if got := Splice(segments.HTML, html); got != html2 {
		t.Fatalf("HTML differs:\n%q\n%q", got, html2)
	}
}

func drawBody(t *rapid.T) string {
	blocks := rapid.SliceOfN(rapid.SampledFrom([]string{"# ", "> ", "- ", "1. ", "", "    ", "| a |\n|---|\n| "}), 1, 6).Draw(t, "blocks")
	var b strings.Builder
	for _, start := range blocks {
		b.WriteString(start + "x " + drawInline(t) + "\n\n")
	}
	return b.String()
}

func drawInline(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.Custom(drawPiece), 0, 4).Draw(t, "inline"), " ")
}

func drawPiece(t *rapid.T) string {
	field := "{{ " + rapid.SampledFrom([]string{"email", "first_name", "last_name", "company", "language", "attr.plan"}).Draw(t, "field")
	for range rapid.IntRange(0, 3).Draw(t, "filters") {
		field += rapid.SampledFrom([]string{` | default: "there"`, ` | default: 'ça "va" <&>'`, ` | default: ""`, " | upcase", "|downcase", " | capitalize"}).Draw(t, "filter")
	}
	field += " }}"
	around := rapid.SampledFrom([]string{"%", "*%*", "**a %**", "`%`", "[%](https://example.com/?a=%&b=1)", "![%](https://example.com/a.png)",
		"~~%~~", "&amp; \\* %", "<https://example.com> %", "{ } %", "'\"&lt;%"}).Draw(t, "around")
	return strings.ReplaceAll(around, "%", field)
}

func drawPerson(t *rapid.T) Person {
	value := func(name string) string {
		return rapid.OneOf(rapid.String(), rapid.SampledFrom(payloads), rapid.SampledFrom([]string{"", " ", "Ann", "élan", "ǆ", "false", "0"})).Draw(t, name)
	}
	return Person{Email: value("email"), FirstName: value("first"), LastName: value("last"), Company: value("company"),
		Language: value("language"), Attr: map[string]string{"plan": value("plan")}}
}
