// The lessons, where the Jupyter server finds them in its folder.

import { JupyterFrontEnd } from '@jupyterlab/application';
import { ask } from './api';

interface ILessons {
  overview: string;
  lessons: string[];
}

/** Open the overview of the lessons, or the lesson of that number. Rejects where there are none, saying what to do. */
export async function openLessons({ commands }: JupyterFrontEnd, number?: string): Promise<unknown> {
  const { overview, lessons } = await ask<ILessons>('lessons');
  const lesson = number && lessons.find(path => path.split('/').pop()!.startsWith(`${number}_`));
  return commands.execute(
    'docmanager:open',
    lesson ? { path: lesson } : { path: overview, factory: 'Markdown Preview' }
  );
}
