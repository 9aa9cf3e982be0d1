import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import a11y from 'eslint-plugin-vuejs-accessibility'
import typescript from 'typescript-eslint'

/** Ways to make a page of text that came from outside; text goes through {{ }} and textContent. */
const MARKUP = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'srcdoc', 'write', 'writeln'].map((name) => ({
  selector: `MemberExpression[property.name='${name}'], Property[key.name='${name}']`,
  message: `${name} makes markup of text: text goes through {{ }} or textContent.`,
}))

export default typescript.config(
  { ignores: ['node_modules', 'src/api/schema.d.ts'] },
  ...typescript.configs.recommended,
  ...vue.configs['flat/recommended'],
  ...a11y.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: typescript.parser } },
  },
  {
    rules: {
      'vue/no-v-html': 'error',
      'vue/no-v-text-v-html-on-component': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/block-order': ['error', { order: ['script', 'template', 'style'] }],
      'vue/require-default-prop': 'off',
      'vuejs-accessibility/label-has-for': 'off',
      // A form that was opened to be filled in begins in its first field.
      'vuejs-accessibility/no-autofocus': 'off',
      '@typescript-eslint/no-explicit-any': 'error',
      'no-restricted-syntax': ['error', ...MARKUP],
      'no-restricted-globals': [
        'error',
        { name: 'fetch', message: 'Requests go through the generated client in src/api/client.ts.' },
      ],
      complexity: ['error', 10],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  { files: ['tests/**'], rules: { 'vue/one-component-per-file': 'off' } },
  prettier,
)
