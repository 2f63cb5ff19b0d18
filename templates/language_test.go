package templates

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// countedIn lists the sentences with a number in them, by the path of their fields.
func countedIn(path string, v reflect.Value) map[string]counted {
	out := map[string]counted{}
	for i := range v.NumField() {
		name := path + "." + v.Type().Field(i).Name
		if !v.Field(i).CanInterface() {
			continue
		}
		if c, is := v.Field(i).Interface().(counted); is {
			out[name] = c
		} else if v.Field(i).Kind() == reflect.Struct {
			for k, c := range countedIn(name, v.Field(i)) {
				out[k] = c
			}
		}
	}
	return out
}

// TestNumbersHaveTheirForms wants the number itself in each form but those that say it in a word, and no other value than
// the English sentence has.
func TestNumbersHaveTheirForms(t *testing.T) {
	english := countedIn("", reflect.ValueOf(*wordsFor("en")))
	if len(english) == 0 {
		t.Fatal("no sentence has a number")
	}
	for _, lang := range Languages() {
		for name, c := range countedIn("", reflect.ValueOf(*wordsFor(lang))) {
			want := inBraces.FindAllString(english[name].of(5), -1)
			for _, n := range numbers() {
				got := inBraces.FindAllString(c.of(n), -1)
				slices.Sort(got)
				slices.Sort(want)
				inWords := slices.DeleteFunc(slices.Clone(want), func(v string) bool { return v == "{days}" || v == "{n}" })
				if !slices.Equal(got, want) && (n > 2 || !slices.Equal(got, inWords)) {
					t.Errorf("%s: %s for %d has %v, English has %v", lang, name, n, got, want)
				}
			}
		}
	}
}

// TestPlurals looks at numbers whose forms differ where they are hardest.
func TestPlurals(t *testing.T) {
	for _, one := range []struct {
		lang string
		days int
		want string
	}{
		{"en", 1, "one day"}, {"en", 30, "30 days"}, {"de", 1, "einen Tag"}, {"fr", 0, "0 jour."}, {"fr", 2, "2 jours"},
		{"pl", 1, "jeden dzień"}, {"pl", 2, "2 dni"}, {"pl", 5, "5 dni"}, {"pl", 22, "22 dni"},
		{"ru", 1, "1 день"}, {"ru", 3, "3 дня"}, {"ru", 5, "5 дней"}, {"ru", 11, "11 дней"}, {"ru", 21, "21 день"}, {"ru", 112, "112 дней"},
		{"uk", 2, "2 дні"}, {"uk", 14, "14 днів"}, {"uk", 31, "31 день"}, {"tr", 1, "1 gün"}, {"tr", 7, "7 gün"},
		{"ar", 1, "يومًا واحدًا"}, {"ar", 2, "يومين"}, {"ar", 3, "3 أيام"}, {"ar", 30, "30 يومًا"}, {"ar", 100, "100 يوم."},
	} {
		got := fill(wordsFor(one.lang).Pages.ExpiredText.of(one.days), "days", fmt.Sprint(one.days))
		if !strings.Contains(got, one.want) {
			t.Errorf("%s, %d days: %q lacks %q", one.lang, one.days, got, one.want)
		}
	}
}

// TestDates are those of CLDR, which go on well in a sentence.
func TestDates(t *testing.T) {
	for lang, want := range map[string][2]string{
		"en": {"1 June 2026", "31 December 2026"}, "de": {"1. Juni 2026", "31. Dezember 2026"}, "fr": {"1er juin 2026", "31 décembre 2026"},
		"es": {"1 de junio de 2026", "31 de diciembre de 2026"}, "it": {"1º giugno 2026", "31 dicembre 2026"}, "pt": {"1 de junho de 2026", "31 de dezembro de 2026"},
		"nl": {"1 juni 2026", "31 december 2026"}, "pl": {"1 czerwca 2026", "31 grudnia 2026"}, "ru": {"1 июня 2026 года", "31 декабря 2026 года"},
		"uk": {"1 червня 2026 року", "31 грудня 2026 року"}, "tr": {"1 Haziran 2026", "31 Aralık 2026"}, "ar": {"1 يونيو 2026", "31 ديسمبر 2026"},
	} {
		for i, day := range []time.Time{time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC)} {
			if got := wordsFor(lang).date(day); got != want[i] {
				t.Errorf("%s: %q, want %q", lang, got, want[i])
			}
		}
	}
}

// TestBadFilesAreRefused: what is missing, what nobody shows and a form that a number needs are named.
func TestBadFilesAreRefused(t *testing.T) {
	raw, err := langFiles.ReadFile("lang/pl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := string(raw)
	few := regexp.MustCompile(`(?m)^  expired_text:\n(    .*\n)*?(    few: .*\n)`).FindStringSubmatch(file)
	if few == nil {
		t.Fatal("expired_text has no form for a few")
	}
	for want, broken := range map[string]string{
		"pages.stop_title: it is missing":  regexp.MustCompile(`(?m)^  stop_title: .*\n`).ReplaceAllString(file, ""),
		"pages.stop_button: it is missing": regexp.MustCompile(`(?m)^  stop_button: .*\n`).ReplaceAllString(file, "  stop_button: \"\"\n"),
		"pages.stop_titel: no page":        strings.Replace(file, "  stop_title:", "  stop_titel: x\n  stop_title:", 1),
		"pages.expired_text: for 2":        strings.Replace(file, few[2], "", 1),
		"pages.stop_title: it has forms":   regexp.MustCompile(`(?m)^  stop_title: .*\n`).ReplaceAllString(file, "  stop_title:\n    one: a\n    other: b\n"),
		"report.sections.: it is missing":  regexp.MustCompile(`(?m)^  sections:\n(    .*\n)+`).ReplaceAllString(file, ""),
		"reserved keys":                    regexp.MustCompile(`(?m)^  stop_title: .*\n`).ReplaceAllString(file, "  stop_title:\n    other: b\n    more: c\n"),
		"already defined":                  strings.Replace(file, "  stop_title:", "  stop_title: x\n  stop_title:", 1),
	} {
		if broken == file {
			t.Fatalf("the file was not broken for %q", want)
		}
		if _, err := parseWords("pl", []byte(broken)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the file is taken, or for another reason refused than %q: %v", want, err)
		}
	}
}

// TestFilesSayWhoHasReadThem holds the first line of each file against the page that tells it to everybody.
func TestFilesSayWhoHasReadThem(t *testing.T) {
	page, err := os.ReadFile("../docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "# The languages in which heed writes")
	for _, lang := range Languages() {
		raw, err := langFiles.ReadFile("lang/" + lang + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), "\n")
		row := regexp.MustCompile(`(?m)^\| ` + lang + ` \| .* \| (.*) \|$`).FindStringSubmatch(table)
		if row == nil {
			t.Fatalf("docs/languages.md has no row for %s", lang)
		}
		unread := strings.Contains(first, "No native speaker has read these words yet.")
		if !unread && !strings.Contains(first, "read by a native speaker") {
			t.Errorf("%s.yaml does not say in its first line who has read it: %s", lang, first)
		}
		if unread != strings.Contains(row[1], "no native speaker has read it") {
			t.Errorf("%s.yaml says %q, docs/languages.md %q", lang, first, row[1])
		}
	}
}
