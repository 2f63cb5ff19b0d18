package templates

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/it"
	"github.com/go-playground/locales/nl"
	"github.com/go-playground/locales/pl"
	"github.com/go-playground/locales/pt"
	"github.com/go-playground/locales/ru"
	"github.com/go-playground/locales/tr"
	"github.com/go-playground/locales/uk"
	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
)

// calendarOf gives the dates of a language. English is that of Britain, whose day stands before the month as in all the
// others.
func calendarOf(lang string) locales.Translator {
	made := map[string]func() locales.Translator{"de": de.New, "fr": fr.New, "es": es.New, "it": it.New, "pt": pt.New, "nl": nl.New,
		"pl": pl.New, "ru": ru.New, "uk": uk.New, "tr": tr.New, "ar": ar.New}[lang]
	if made == nil {
		made = en_GB.New
	}
	return made()
}

// counted is a sentence with a number in it.
type counted struct {
	id    string
	among *i18n.Localizer
}

// of gives the sentence in the form that goes with n. Its values are still to be filled in.
func (c counted) of(n int) string {
	text, err := c.form(n)
	if err != nil {
		panic(err) // parseWords has tried every kind of number
	}
	return text
}

func (c counted) form(n int) (string, error) {
	return c.among.Localize(&i18n.LocalizeConfig{MessageID: c.id, PluralCount: n, TemplateParser: template.IdentityParser{}})
}

// numbers has one of each kind that a language with words here tells apart (CLDR: zero, one, two, few, many, other).
func numbers() []int {
	var all []int
	for n := range 31 {
		all = append(all, n)
	}
	return append(all, 100, 101, 102, 103, 111, 121, 1000, 1000000)
}

// parseWords makes the words of a language from its message file. A word that the file lacks, one that nothing shows, and
// a sentence without the form for some kind of number are errors, each of them named.
func parseWords(lang string, raw []byte) (*words, error) {
	if lang == "fr" {
		raw = unbroken(raw)
	}
	if direction(lang) == "rtl" {
		raw = foreign.ReplaceAll(raw, []byte("\u2068$0\u2069"))
	}
	messages, err := i18n.ParseMessageBytes(raw, func(data []byte, v any) error { return yaml.Unmarshal(data, v) })
	if err != nil {
		return nil, err
	}
	r := reading{left: map[string]*i18n.Message{}, tag: language.Make(lang)}
	r.bundle = i18n.NewBundle(r.tag)
	r.among = i18n.NewLocalizer(r.bundle, lang)
	for _, m := range messages {
		r.left[m.ID] = m
	}
	w := &words{calendar: calendarOf(lang)}
	r.fill("", reflect.ValueOf(w).Elem())
	for _, id := range slices.Sorted(maps.Keys(r.left)) {
		r.wrong(id, "no page or mail shows it")
	}
	return w, errors.Join(r.errs...)
}

// reading fills words from the messages of a file.
type reading struct {
	left   map[string]*i18n.Message // by id, those that were not taken yet
	tag    language.Tag
	bundle *i18n.Bundle // only of those with a number in them: it makes of each word something five times as large
	among  *i18n.Localizer
	errs   []error
}

func (r *reading) wrong(id, what string) { r.errs = append(r.errs, fmt.Errorf("%s: %s", id, what)) }

// fill takes a message for each field of a struct. The id of a message is the path of its keys.
func (r *reading) fill(path string, v reflect.Value) {
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if key == "" {
			continue
		}
		switch field := v.Field(i).Addr().Interface().(type) {
		case *string:
			*field = r.take(path + key)
		case *counted:
			*field = r.count(path + key)
		case *map[string]string:
			*field = r.group(path + key + ".")
		default:
			r.fill(path+key+".", v.Field(i))
		}
	}
}

func (r *reading) take(id string) string {
	m := r.left[id]
	delete(r.left, id)
	if m == nil || strings.TrimSpace(m.Other) == "" {
		r.wrong(id, "it is missing")
		return ""
	}
	if m.Zero+m.One+m.Two+m.Few+m.Many != "" {
		r.wrong(id, "it has forms for numbers, and no number is filled in")
	}
	return m.Other
}

func (r *reading) count(id string) counted {
	c := counted{id, r.among}
	if m := r.left[id]; m != nil {
		if err := r.bundle.AddMessages(r.tag, m); err != nil {
			r.wrong(id, err.Error())
		}
	}
	delete(r.left, id)
	for _, n := range numbers() {
		if _, err := c.form(n); err != nil {
			r.wrong(id, fmt.Sprintf("for %d %v", n, err))
			break
		}
	}
	return c
}

func (r *reading) group(prefix string) map[string]string {
	all := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(r.left)) {
		if key, inside := strings.CutPrefix(id, prefix); inside {
			all[key] = r.take(id)
		}
	}
	if len(all) == 0 {
		r.wrong(prefix, "it is missing")
	}
	return all
}
